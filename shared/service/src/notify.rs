//! Telling owners of their leases: what is due, and the HTTP client that sends it.

pub mod deliver;
pub mod webhook_client;
