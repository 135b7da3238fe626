//! `GET /api/me`: who the caller is, and what the caller may do.

use containerlease_domain::{
    identity::{Role, Scope, Scopes, Subject},
    time::Time,
};
use lambda_http::Request;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{caller::any_caller, problem::Problem},
};

/// A caller.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Me {
    /// Who it is: `local` for the user who runs the server, `token:ID` for the holder of a token.
    #[schema(value_type = String)]
    subject: Subject,
    /// Whose leases the caller sees and makes.
    owner: String,
    role: Role,
    /// What the caller may do.
    #[schema(value_type = Vec<Scope>)]
    scopes: Scopes,
    /// When the caller's token expires.
    #[schema(required)]
    expires_at: Option<Time>,
}

pub(super) async fn me(app: &App, request: &Request) -> Result<Me, Problem> {
    let caller = any_caller(app, request).await?;
    Ok(Me {
        subject: caller.subject,
        owner: caller.owner.as_str().to_owned(),
        role: caller.role,
        scopes: caller.scopes,
        expires_at: caller.until,
    })
}
