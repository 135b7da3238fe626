//! `GET /api/images`: what may be leased.

use containerlease_domain::identity::Scope;
use lambda_http::Request;

use crate::{
    app::App,
    http::{caller::caller, problem::Problem, view::Images},
};

/// The image types, each with what may be asked for of it.
pub(super) async fn images(app: &App, request: &Request) -> Result<Images, Problem> {
    caller(app, request, Scope::Read).await?;
    Ok(Images::new(&app.catalogue, &app.policy))
}
