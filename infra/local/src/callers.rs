//! Who calls: the user who runs this server, or the holder of an API token.
//!
//! On Linux the kernel says which user owns the other end of a loopback connection, so this user
//! and root need nothing else. Anybody else, or everybody on other systems, presents the token from
//! the data folder, or a token that this user has made for them. A browser gets a session instead,
//! through a link that works once.
//!
//! It fails closed: a caller who is not known is refused. A token that is presented decides alone,
//! even for this user's own requests.

mod peer;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use containerlease_domain::{identity::Identity, time::Time};
use containerlease_functions::http::{
    caller::{bearer, identify},
    problem::Problem,
};
use containerlease_service::store::Store;
use containerlease_table::Key;
use http::{HeaderMap, header};

use crate::folder::{TOKEN, private_file};
pub(crate) use peer::Peer;

/// The path of the one-time link, before its code.
pub(crate) const SIGN_IN: &str = "/sign-in/";

/// Length of a secret in characters: 244 random bits.
const SECRET: usize = 64;

/// The callers that this server admits.
pub(crate) struct Callers {
    /// The user who runs this server.
    user: u32,
    token: Key,
    /// The name of the session cookie. It holds the port, since cookies ignore ports.
    cookie: String,
    signed_in: Mutex<SignedIn>,
}

/// How long the link works. It may end up in a log that others read.
const LINK_LIFE: Duration = Duration::from_secs(3_600);

/// The state of the link.
enum SignedIn {
    /// Nobody has used its code, which was made at that time.
    Nobody(Key, Time),
    /// The browser with this session has used it.
    One(Key),
}

impl Callers {
    /// The callers of a server at `address`. Its token is in `folder`, and is made if it is
    /// missing.
    pub(crate) fn of(folder: &Path, address: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            user: rustix::process::geteuid().as_raw(),
            token: Key::told(&token_in(folder)?),
            cookie: format!("containerlease-{}", address.port()),
            signed_in: Mutex::new(SignedIn::Nobody(Key::told(&secret()), Time::now())),
        })
    }

    /// The path of the one-time link.
    pub(crate) fn link(&self) -> Option<String> {
        match &*self.signed_in() {
            SignedIn::Nobody(code, _) => Some(format!("{SIGN_IN}{}", code.as_str())),
            SignedIn::One(_) => None,
        }
    }

    /// The caller of a request from that peer, or why it is refused.
    pub(crate) async fn admit(
        &self,
        store: &Store,
        peer: Option<&Peer>,
        headers: &HeaderMap,
    ) -> Result<Identity, Problem> {
        if self.is_the_user(peer, headers) {
            Ok(Identity::local())
        } else {
            identify(store, headers).await
        }
    }

    /// Whether the user who runs this server sends the request.
    fn is_the_user(&self, peer: Option<&Peer>, headers: &HeaderMap) -> bool {
        if headers.contains_key(header::AUTHORIZATION) {
            return self.has_token(headers);
        }
        let is_ours = |peer: &Peer| peer.user().is_some_and(|it| it == self.user || it == 0);
        self.has_session(headers) || peer.is_some_and(is_ours)
    }

    /// Opens a session for the link's code; returns the value of its cookie.
    pub(crate) fn sign_in(&self, code: &str) -> Result<String, Problem> {
        let mut signed_in = self.signed_in();
        match &*signed_in {
            SignedIn::Nobody(right, made)
                if right.is(code) && made.until(Time::now()) <= LINK_LIFE => {}
            _ => return Err(Problem::sign_in_needed()),
        }
        let session = secret();
        *signed_in = SignedIn::One(Key::told(&session));
        let name = &self.cookie;
        Ok(format!(
            "{name}={session}; Path=/; HttpOnly; SameSite=Strict"
        ))
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|token| self.token.is(token))
    }

    fn has_session(&self, headers: &HeaderMap) -> bool {
        let signed_in = self.signed_in();
        let SignedIn::One(session) = &*signed_in else {
            return false;
        };
        let all = headers.get_all(header::COOKIE).iter();
        let cookies = all
            .filter_map(|value| value.to_str().ok())
            .flat_map(|all| all.split(';'));
        let mut ours = cookies
            .filter_map(|cookie| cookie.trim().split_once('='))
            .filter(|(name, _)| *name == self.cookie);
        ours.any(|(_, given)| session.is(given))
    }

    fn signed_in(&self) -> MutexGuard<'_, SignedIn> {
        // Every change leaves it complete, so a panic elsewhere cannot have broken it.
        self.signed_in
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token in the folder; a new one if it is missing or truncated.
fn token_in(folder: &Path) -> io::Result<String> {
    let path = folder.join(TOKEN);
    let mut file: File = private_file(&path)?;
    let there = fs::read_to_string(&path)?;
    let there = there.trim();
    if there.len() >= SECRET {
        return Ok(there.to_owned());
    }
    let token = secret();
    file.set_len(0)?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    Ok(token)
}

/// A new secret.
fn secret() -> String {
    let half = || uuid::Uuid::new_v4().simple().to_string();
    half() + &half()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callers() -> Callers {
        Callers {
            user: 1_000,
            token: Key::told(&"t".repeat(SECRET)),
            cookie: "containerlease-8080".to_owned(),
            signed_in: Mutex::new(SignedIn::Nobody(
                Key::told(&"c".repeat(SECRET)),
                Time::now(),
            )),
        }
    }

    fn with(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn only_the_user_root_and_who_knows_the_token_are_let_in() {
        let callers = callers();
        let none = HeaderMap::new();
        for (user, is_let_in) in [
            (Some(1_000), true),
            (Some(0), true),
            (Some(1_001), false),
            (None, false),
        ] {
            let peer = Peer::known(user);
            assert_eq!(
                callers.is_the_user(Some(&peer), &none),
                is_let_in,
                "{user:?}"
            );
        }
        assert!(!callers.is_the_user(None, &none));
        let token = "t".repeat(64);
        for (given, is_let_in) in [
            (format!("Bearer {token}"), true),
            (format!("bearer {token}"), true),
            (format!("Basic {token}"), false),
            (token.clone(), false),
            (format!("Bearer {}", &token[1..]), false),
            (format!("Bearer {token}t"), false),
            ("Bearer ".to_owned(), false),
        ] {
            let headers = with(header::AUTHORIZATION, &given);
            assert_eq!(callers.is_the_user(None, &headers), is_let_in, "{given}");
        }
        let mut two = with(header::AUTHORIZATION, &format!("Bearer {token}"));
        two.append(header::AUTHORIZATION, "Bearer x".parse().unwrap());
        assert!(!callers.is_the_user(None, &two));
        // Whoever presents a token is not taken for the user because of the connection.
        let (user, wrong) = (
            Peer::known(Some(1_000)),
            with(header::AUTHORIZATION, "Bearer x"),
        );
        assert!(!callers.is_the_user(Some(&user), &wrong));
    }

    #[test]
    fn a_link_that_lay_about_for_an_hour_lets_nobody_in() {
        let made = Time::now().minus(LINK_LIFE + Duration::from_secs(1));
        let old = SignedIn::Nobody(Key::told(&"c".repeat(SECRET)), made);
        let callers = Callers {
            signed_in: Mutex::new(old),
            ..callers()
        };
        assert!(callers.sign_in(&"c".repeat(SECRET)).is_err());
    }

    #[test]
    fn a_link_lets_one_browser_in() {
        let callers = callers();
        assert!(callers.sign_in("").is_err());
        assert!(callers.sign_in(&"d".repeat(64)).is_err());
        let cookie = callers.sign_in(&"c".repeat(64)).unwrap();
        assert!(callers.sign_in(&"c".repeat(64)).is_err(), "it works once");
        assert!(callers.link().is_none());
        let (pair, attributes) = cookie.split_once(';').unwrap();
        assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Strict"));
        let headers = with(header::COOKIE, &format!("theme=dark; {pair}"));
        assert!(callers.is_the_user(None, &headers));
        for other in [
            "containerlease-8080=",
            "containerlease-8080=x",
            &pair.replace("8080", "8081"),
        ] {
            assert!(
                !callers.is_the_user(None, &with(header::COOKIE, other)),
                "{other}"
            );
        }
    }
}
