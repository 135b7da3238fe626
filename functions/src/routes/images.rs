//! `GET /api/images`: what may be leased.

use crate::{app::App, http::view::Images};

/// The image types, each with what may be asked for of it.
pub(super) fn images(app: &App) -> Images {
    Images::new(&app.catalogue, &app.policy)
}
