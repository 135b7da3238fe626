//! `containerlease whoami`: who the caller is to the server.

use clap::Args;
use containerlease_domain::time::Time;
use serde::Deserialize;

use crate::{
    api::{Api, Request},
    console::Console,
    duration::spell,
    failure::Failure,
};

/// Show who you are to the server, and what you may do
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// Show the answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Me {
    subject: String,
    owner: String,
    role: String,
    scopes: Vec<String>,
    expires_at: Option<Time>,
    server_time: Time,
}

pub async fn run(api: &Api, arguments: &Arguments, console: &mut Console) -> Result<(), Failure> {
    let answer = api.settle(&Request::get("/me")).await?;
    if arguments.json {
        return console.print_line(&answer.json());
    }
    let me: Me = answer.read()?;
    console.print(&text(&me))
}

fn text(me: &Me) -> String {
    let end = me.expires_at.map_or_else(
        || "never".to_owned(),
        |end| spell(me.server_time.until(end)),
    );
    format!(
        "owner    {}\nrole     {}\nscopes   {}\nas       {}\nends in  {end}\n",
        me.owner,
        me.role,
        me.scopes.join(" "),
        me.subject,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_caller_is_told_owner_role_and_scopes() {
        let me = json!({
            "subject": "token:5f0c2a9d41be", "owner": "search", "role": "user",
            "scopes": ["read", "lease"], "expiresAt": "2026-11-25T09:30:00Z",
            "serverTime": "2026-11-24T09:30:00Z",
        });
        let me = serde_json::from_value(me).unwrap();
        assert_eq!(
            text(&me),
            "owner    search\nrole     user\nscopes   read lease\nas       token:5f0c2a9d41be\n\
             ends in  1d\n"
        );
    }
}
