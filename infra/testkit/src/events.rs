//! The saved events in `functions/events`, with the test's own ids and bodies.

use std::path::Path;

use containerlease_domain::{
    identity::{Identity, Role, Subject},
    names::Owner,
};
use containerlease_functions::{
    app::App,
    http::caller::authorizer,
    routes::{delete, exec, provision, read, renew, tokens},
};
use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};

/// The lease's id in the saved events.
pub const SAVED_ID: &str = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c";

/// An event of the HTTP API, to pass to a handler.
#[derive(Clone, Debug)]
pub struct Event(Value);

/// A handler's answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Value,
}

/// The saved event of that name. If it is a caller's and does not say whose, it is that of the user
/// who runs the server.
///
/// # Panics
///
/// If there is no such event, or it is not JSON.
pub fn saved(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/events");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json")));
    let text = text.unwrap_or_else(|error| panic!("the saved event {name}: {error}"));
    let event = serde_json::from_str(&text);
    let mut event: Value = event.unwrap_or_else(|error| panic!("the saved event {name}: {error}"));
    let context = event.get_mut("requestContext");
    if let Some(context) = context.and_then(Value::as_object_mut) {
        let caller = authorizer(&Identity::local());
        let is_http = context.contains_key("http");
        let caller = if is_http {
            json!({"lambda": caller})
        } else {
            caller.into()
        };
        context.entry("authorizer").or_insert(caller);
    }
    event
}

/// The saved event with its lease's id replaced everywhere.
pub fn saved_for(name: &str, id: &str) -> Value {
    let text = saved(name).to_string().replace(SAVED_ID, &json_text(id));
    serde_json::from_str(&text).expect("one text in place of another leaves it JSON")
}

/// The text, escaped for use between JSON quotes.
fn json_text(text: &str) -> String {
    Value::from(text).to_string().trim_matches('"').to_owned()
}

impl Event {
    /// The saved event of that name.
    pub fn saved(name: &str) -> Self {
        Self(saved(name))
    }

    /// The saved event of that name, about the lease `id`.
    pub fn about(name: &str, id: &str) -> Self {
        Self(saved_for(name, id))
    }

    /// The event with this JSON as its body.
    pub fn body(self, body: &Value) -> Self {
        self.raw_body(&body.to_string())
    }

    /// The event with this text as its body.
    pub fn raw_body(mut self, body: &str) -> Self {
        self.0["body"] = Value::from(body);
        self.0["isBase64Encoded"] = Value::from(false);
        self
    }

    /// The event from a user of that owner.
    ///
    /// # Panics
    ///
    /// If that is no owner's name.
    pub fn from_owner(self, name: &str) -> Self {
        let owner = Owner::try_from(name.to_owned()).expect("it is an owner's name");
        self.from_caller(&Identity::new(Subject::Local, owner, Role::User))
    }

    /// The event from that caller, whom the one-machine server has identified.
    pub fn from_caller(mut self, caller: &Identity) -> Self {
        self.0["requestContext"]["authorizer"] = json!({"lambda": authorizer(caller)});
        self
    }

    /// The event from a caller whom nobody has identified.
    pub fn from_nobody(mut self) -> Self {
        self.0["requestContext"]["authorizer"] = Value::Null;
        self
    }

    /// The event with this in its request context.
    pub fn context(mut self, field: &str, value: Value) -> Self {
        self.0["requestContext"][field] = value;
        self
    }

    /// The event with this header, whose name is in lower case.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.0["headers"][name] = Value::from(value);
        self
    }

    /// The event with this query, without the question mark.
    pub fn query(mut self, query: &str) -> Self {
        self.0["rawQueryString"] = Value::from(query);
        self
    }

    /// The event with another method.
    pub fn method(mut self, method: &str) -> Self {
        self.0["requestContext"]["http"]["method"] = Value::from(method);
        self
    }

    /// The event at another path.
    pub fn path(mut self, path: &str) -> Self {
        self.0["rawPath"] = Value::from(path);
        self.0["requestContext"]["http"]["path"] = Value::from(path);
        self
    }

    /// The request that a handler takes.
    ///
    /// # Panics
    ///
    /// If the Lambda runtime cannot read the event.
    pub fn request(&self) -> Request {
        lambda_http::request::from_str(&self.0.to_string()).expect("it is an event of the HTTP API")
    }

    /// What the `provision` function answers.
    pub async fn provision(self, app: &App) -> Answer {
        // Boxed: it is the largest of the handlers' futures.
        Answer::of(&Box::pin(provision::handle(app, self.request())).await)
    }

    /// What the `list` function answers.
    pub async fn list(self, app: &App) -> Answer {
        Answer::of(&read::handle(app, self.request()).await)
    }

    /// What the `delete` function answers.
    pub async fn delete(self, app: &App) -> Answer {
        Answer::of(&delete::handle(app, self.request()).await)
    }

    /// What the `exec` function answers.
    pub async fn exec(self, app: &App) -> Answer {
        Answer::of(&exec::handle(app, self.request()).await)
    }

    /// What the `tokens` function answers.
    pub async fn tokens(self, app: &App) -> Answer {
        Answer::of(&tokens::handle(app, self.request()).await)
    }

    /// What the `renew` function answers.
    pub async fn renew(self, app: &App) -> Answer {
        Answer::of(&renew::handle(app, self.request()).await)
    }
}

impl Answer {
    /// A handler's response.
    ///
    /// # Panics
    ///
    /// If its body is not JSON; all of ours are.
    pub fn of(response: &Response<Body>) -> Self {
        let body: &[u8] = response.body();
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_slice(body).expect("every answer is JSON"),
        }
    }

    /// The lease's id in the answer.
    ///
    /// # Panics
    ///
    /// If there is none; the message has the answer.
    pub fn id(&self) -> String {
        let id = self.body["id"].as_str();
        id.unwrap_or_else(|| panic!("there is no id in {self:?}"))
            .to_owned()
    }

    /// The last part of the problem's type.
    ///
    /// # Panics
    ///
    /// If the answer is no problem; the message has the answer.
    pub fn problem(&self) -> &str {
        let kind = self.body["type"].as_str();
        kind.and_then(|kind| kind.strip_prefix("urn:containerlease:problem:"))
            .unwrap_or_else(|| panic!("this is no problem: {self:?}"))
    }
}
