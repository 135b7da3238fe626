//! `containerlease token`: makes, lists and revokes API tokens.

use clap::{Args, Subcommand};
use containerlease_domain::{
    identity::{Role, Scope, TokenId},
    time::Time,
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    api::{Api, Request},
    console::Console,
    duration::spell,
    failure::Failure,
    rm::all_or_some,
    table::{Cell, Colour, Table},
};

/// Make, list and revoke API tokens
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    Create(Create),
    Ls(Ls),
    Revoke(Revoke),
}

/// Make a token and show it, once
///
/// Standard output has only the token, so that a script can put it into a variable.
#[derive(Clone, Debug, Args)]
struct Create {
    /// What it is for
    name: String,
    /// Whose leases its holder sees and makes [default: your own owner]
    #[arg(long)]
    owner: Option<String>,
    /// viewer looks; user also leases, runs commands and ends leases; admin also manages tokens
    /// [default: user]
    #[arg(long)]
    role: Option<Role>,
    /// Allow only this, of read, lease, exec and admin; several with commas [default: all that the
    /// role allows]
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// After how many days it ends, 1 to 366 [default: 90]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: Option<u32>,
    /// Show the whole answer as JSON
    #[arg(long)]
    json: bool,
}

/// List tokens, newest first, without their secrets
#[derive(Clone, Debug, Args)]
struct Ls {
    /// Include tokens that have expired or were revoked
    #[arg(short, long)]
    all: bool,
    /// Show the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Revoke tokens now
#[derive(Clone, Debug, Args)]
struct Revoke {
    /// The tokens' ids, or the tokens themselves
    #[arg(value_name = "ID", required = true, value_parser = token_id)]
    ids: Vec<TokenId>,
}

/// The id, also from a whole token, which an error must not repeat.
fn token_id(text: &str) -> Result<TokenId, String> {
    let id = match text.strip_prefix("cl_") {
        Some(rest) => rest.split('_').next().unwrap_or_default(),
        None => text,
    };
    let wrong = |_| "the id of a token is 12 hexadecimal digits; `token ls` lists them".to_owned();
    id.parse().map_err(wrong)
}

#[derive(Debug, Deserialize)]
struct Made {
    secret: String,
    token: Token,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    tokens: Vec<Token>,
    server_time: Time,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    id: String,
    name: String,
    owner: String,
    role: String,
    scopes: Vec<String>,
    state: String,
    created_by: String,
    expires_at: Time,
    last_used_at: Option<Time>,
}

pub async fn run(api: &Api, arguments: &Arguments, console: &mut Console) -> Result<(), Failure> {
    match &arguments.command {
        Command::Create(create) => make(api, create, console).await,
        Command::Ls(ls) => list(api, ls, console).await,
        Command::Revoke(wanted) => {
            let mut failures = Vec::new();
            for id in &wanted.ids {
                match revoke(api, id, console).await {
                    Ok(()) => {}
                    // Nobody reads the output any more, but the other tokens must still end.
                    Err(failure) if failure.is_closed_pipe() => {}
                    Err(failure) => failures.push(failure),
                }
            }
            all_or_some(failures, wanted.ids.len(), console)
        }
    }
}

async fn make(api: &Api, wanted: &Create, console: &mut Console) -> Result<(), Failure> {
    let mut body = json!({"name": wanted.name});
    if let Some(owner) = &wanted.owner {
        body["owner"] = json!(owner);
    }
    if let Some(role) = wanted.role {
        body["role"] = json!(role);
    }
    if !wanted.scopes.is_empty() {
        body["scopes"] = json!(wanted.scopes);
    }
    if let Some(days) = wanted.days {
        body["expiresInDays"] = json!(days);
    }
    // Once: a second attempt would leave a token that nobody has.
    let answer = api.ask(&Request::post("/tokens", body)).await?;
    let made: Made = answer.read()?;
    let shown = if wanted.json {
        console.print_line(&answer.json())
    } else {
        console.print_line(&made.secret)
    };
    if let Err(failure) = shown {
        // Nobody has it.
        let revoke = Request::delete_at(format!("/tokens/{}", made.token.id));
        api.settle(&revoke).await?;
        return Err(failure);
    }
    if wanted.json {
        return Ok(());
    }
    let token = made.token;
    console.tell(&format!(
        "{}: token {} of {}, as {}: {}; nothing shows it again",
        token.name,
        token.id,
        token.owner,
        token.role,
        token.scopes.join(" ")
    ));
    Ok(())
}

async fn revoke(api: &Api, id: &TokenId, console: &mut Console) -> Result<(), Failure> {
    let request = Request::delete_at(format!("/tokens/{id}"));
    api.settle(&request).await?;
    console.print_line(id.as_str())
}

async fn list(api: &Api, wanted: &Ls, console: &mut Console) -> Result<(), Failure> {
    let answer = api.settle(&Request::get("/tokens")).await?;
    if wanted.json {
        return console.print_line(&answer.json());
    }
    let mut found: Tokens = answer.read()?;
    found
        .tokens
        .retain(|token| wanted.all || token.state == "active");
    let text = table(&found).render(console.colours);
    console.print(&text)
}

fn table(found: &Tokens) -> Table<8> {
    let mut table = Table::new([
        "ID",
        "NAME",
        "OWNER",
        "ROLE",
        "SCOPES",
        "ENDS IN",
        "LAST USED",
        "MADE BY",
    ]);
    for token in &found.tokens {
        table.row([
            token.id.as_str().into(),
            token.name.as_str().into(),
            token.owner.as_str().into(),
            token.role.as_str().into(),
            token.scopes.join(" ").into(),
            end(token, found.server_time),
            match token.last_used_at {
                Some(last) => format!("{} ago", spell(last.until(found.server_time))).into(),
                None => "-".into(),
            },
            token.created_by.as_str().into(),
        ]);
    }
    table
}

fn end(token: &Token, now: Time) -> Cell {
    match token.state.as_str() {
        "active" => spell(now.until(token.expires_at)).into(),
        ended => Cell::coloured(ended.to_owned(), Some(Colour::Dim)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_whose_each_token_is_and_for_how_long() {
        let token = |id: &str, state: &str| {
            json!({
                "id": id, "name": "nightly tests", "owner": "search", "role": "user",
                "scopes": ["read", "lease"], "state": state,
                "expiresAt": "2026-11-25T09:30:00Z", "createdBy": "local",
                "lastUsedAt": if state == "active" { Some("2026-11-24T08:30:00Z") } else { None },
            })
        };
        let found = json!({
            "serverTime": "2026-11-24T09:30:00Z",
            "tokens": [token("5f0c2a9d41be", "active"), token("0a1b2c3d4e5f", "revoked")],
        });
        let found: Tokens = serde_json::from_value(found).unwrap();
        assert_eq!(
            table(&found).render(false),
            "\
ID             NAME            OWNER    ROLE   SCOPES       ENDS IN   LAST USED   MADE BY
5f0c2a9d41be   nightly tests   search   user   read lease   1d        1h ago      local
0a1b2c3d4e5f   nightly tests   search   user   read lease   revoked   -           local
"
        );
    }
}
