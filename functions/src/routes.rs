//! The routes of the HTTP API, one file per URL.
//!
//! [`provision`], [`renew`], [`delete`], [`exec`] and [`tokens`] are functions of their own.
//! [`read`] is the function of all routes that only read: it has one file per URL too.

mod container;
mod containers;
pub mod delete;
pub mod description;
pub mod exec;
pub mod health;
mod images;
pub(crate) mod log_page;
pub(crate) mod me;
pub mod provision;
pub mod read;
pub mod renew;
pub(crate) mod stats;
pub mod tokens;

use lambda_http::{Body, Request, Response};

use crate::{app::App, http::router::Function};

/// Answers a request with the handler of `function`.
pub async fn call(function: Function, app: &App, request: Request) -> Response<Body> {
    match function {
        Function::Provision => provision::handle(app, request).await,
        Function::Renew => renew::handle(app, request).await,
        Function::Delete => delete::handle(app, request).await,
        Function::Exec => exec::handle(app, request).await,
        Function::Tokens => tokens::handle(app, request).await,
        Function::List => read::handle(app, request).await,
    }
}
