//! API tokens.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | a token | `tokens` | its id |
//!
//! All are in one partition: an installation has few, and each request reads one. A process that is
//! the table's only user keeps them in memory ([`Store::keep_tokens`]), so that neither strangers with
//! wrong tokens nor a busy table delay anybody.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::AttributeValue};
use containerlease_domain::{
    identity::{Role, Scopes, Subject, Token, TokenDigest, TokenId, TokenState},
    names::Owner,
    time::Time,
};
use serde::{Deserialize, Serialize};

use super::{Found, Store, StoreError, StoreErrorKind, failed, number, text};

const PARTITION: &str = "tokens";

/// The tokens in memory; none in a process that is not the table's only user.
#[derive(Clone, Debug, Default)]
pub(super) struct KeptTokens(Arc<Mutex<Option<HashMap<TokenId, Token>>>>);

impl KeptTokens {
    fn lock(&self) -> MutexGuard<'_, Option<HashMap<TokenId, Token>>> {
        // Every change leaves the map complete, so a panic elsewhere cannot have broken it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a token that is kept, if any are.
    fn change(&self, id: &TokenId, change: impl FnOnce(&mut Token)) {
        if let Some(token) = self.lock().as_mut().and_then(|all| all.get_mut(id)) {
            change(token);
        }
    }
}

/// A token as stored. Times are in milliseconds, `purgeAt` is in seconds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenItem {
    pk: String,
    sk: TokenId,
    digest: TokenDigest,
    name: String,
    owner: Owner,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Scopes>,
    created_at: i64,
    created_by: Subject,
    expires_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<i64>,
    purge_at: i64,
}

impl Store {
    /// From now on keeps all tokens in memory. Only for a process that is the table's only user.
    pub async fn keep_tokens(&self) -> Result<(), StoreError> {
        let all = self.tokens().await?.items.into_iter();
        let all = all.map(|token| (token.id.clone(), token));
        *self.kept_tokens.lock() = Some(all.collect());
        Ok(())
    }

    /// Writes a new token.
    pub async fn add_token(&self, token: &Token) -> Result<(), StoreError> {
        const ATTEMPTED: &str = "adding a token";
        self.needs_room(ATTEMPTED)?;
        let item = serde_dynamo::to_item(TokenItem::of(token))
            .expect("a token is made of texts, numbers and lists");
        let put = self.client.put_item().table_name(&self.table);
        let put = put
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)");
        let written = put.send().await.map(drop).map_err(|error| {
            if error
                .as_service_error()
                .is_some_and(PutItemError::is_conditional_check_failed_exception)
            {
                return StoreError {
                    attempted: ATTEMPTED,
                    kind: StoreErrorKind::Refused,
                    message: "its id is taken".to_owned(),
                };
            }
            failed(ATTEMPTED, &error)
        });
        if written.is_ok()
            && let Some(all) = self.kept_tokens.lock().as_mut()
        {
            all.insert(token.id.clone(), token.clone());
        }
        written
    }

    /// The token with that id, or none; read consistently, so that a revoked one is known at once.
    pub async fn token(&self, id: &TokenId) -> Result<Option<Token>, StoreError> {
        const ATTEMPTED: &str = "reading a token";
        if let Some(all) = self.kept_tokens.lock().as_ref() {
            return Ok(all.get(id).cloned());
        }
        let read = self.client.get_item().table_name(&self.table);
        let read = read.set_key(Some(key(id))).consistent_read(true).send();
        let read = read.await.map_err(|error| failed(ATTEMPTED, &error))?;
        let parsed = read.item.map(token_of).transpose();
        parsed.map_err(|message| StoreError {
            attempted: ATTEMPTED,
            kind: StoreErrorKind::Corrupt,
            message,
        })
    }

    /// All tokens, whatever their state.
    pub async fn tokens(&self) -> Result<Found<Token>, StoreError> {
        const ATTEMPTED: &str = "listing the tokens";
        if let Some(all) = self.kept_tokens.lock().as_mut() {
            let now = Time::now();
            // The table's own records go at that time, too.
            all.retain(|_, token| now < token.purge_at());
            return Ok(Found {
                items: all.values().cloned().collect(),
                unreadable: 0,
                whole: true,
            });
        }
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(PARTITION))
            .consistent_read(true);
        let records = self.items(ATTEMPTED, query).await?;
        Ok(self.found(ATTEMPTED, records, token_of))
    }

    /// Revokes a token: its record stays for a while, to be looked at. One that has expired stays as
    /// it is, and one that was revoked keeps its time; it is written again, since an earlier write may
    /// have failed.
    pub async fn revoke_token(&self, token: Token, now: Time) -> Result<Token, StoreError> {
        if token.state(now) == TokenState::Expired {
            return Ok(token);
        }
        let at = token.revoked_at.unwrap_or(now);
        let revoked = Token {
            revoked_at: Some(at),
            ..token
        };
        // First in memory: if the table takes no write now, it counts at least until a restart.
        self.kept_tokens
            .change(&revoked.id, |kept| *kept = revoked.clone());
        let purge_at = revoked.purge_at().as_secs_rounded_up();
        let values = HashMap::from([
            (":at".to_owned(), number(at.as_millis())),
            (":purge".to_owned(), number(purge_at)),
        ]);
        let update = "SET revokedAt = if_not_exists(revokedAt, :at), purgeAt = :purge";
        self.update_token("revoking a token", &revoked.id, update, values)
            .await?;
        Ok(revoked)
    }

    /// Records when a token was used.
    pub async fn token_used(&self, id: &TokenId, now: Time) -> Result<(), StoreError> {
        // In memory even if the table takes no write: not every request is to try again.
        self.kept_tokens
            .change(id, |kept| kept.last_used_at = Some(now));
        let values = HashMap::from([(":now".to_owned(), number(now.as_millis()))]);
        let update = "SET lastUsedAt = :now";
        self.update_token("recording a token's use", id, update, values)
            .await
    }

    /// Updates a token that exists; one that was purged is not made anew.
    async fn update_token(
        &self,
        attempted: &'static str,
        id: &TokenId,
        update: &str,
        values: HashMap<String, AttributeValue>,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .set_key(Some(key(id)))
            .update_expression(update)
            .set_expression_attribute_values(Some(values));
        self.update_if_there(attempted, update).await.map(drop)
    }
}

impl TokenItem {
    fn of(token: &Token) -> Self {
        Self {
            pk: PARTITION.to_owned(),
            sk: token.id.clone(),
            digest: token.digest.clone(),
            name: token.name.clone(),
            owner: token.owner.clone(),
            role: token.role,
            scopes: token.scopes.clone(),
            created_at: token.created_at.as_millis(),
            created_by: token.created_by.clone(),
            expires_at: token.expires_at.as_millis(),
            revoked_at: token.revoked_at.map(Time::as_millis),
            last_used_at: token.last_used_at.map(Time::as_millis),
            purge_at: token.purge_at().as_secs_rounded_up(),
        }
    }

    fn into_token(self) -> Token {
        Token {
            id: self.sk,
            digest: self.digest,
            name: self.name,
            owner: self.owner,
            role: self.role,
            scopes: self.scopes,
            created_at: Time::from_millis(self.created_at),
            created_by: self.created_by,
            expires_at: Time::from_millis(self.expires_at),
            revoked_at: self.revoked_at.map(Time::from_millis),
            last_used_at: self.last_used_at.map(Time::from_millis),
        }
    }
}

fn token_of(item: HashMap<String, AttributeValue>) -> Result<Token, String> {
    serde_dynamo::from_item::<_, TokenItem>(item)
        .map(TokenItem::into_token)
        .map_err(|error| error.to_string())
}

fn key(id: &TokenId) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("pk".to_owned(), text(PARTITION)),
        ("sk".to_owned(), text(id.as_str())),
    ])
}
