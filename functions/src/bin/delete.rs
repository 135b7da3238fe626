//! The `delete` function: its handlers behind the Lambda runtime.

use containerlease_functions::{
    app::{App, init_log},
    http::answer::logged,
    routes::delete,
};
use lambda_http::{Error, Request, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    init_log();
    let (app, _, _) = App::from_env().await?;
    let app = &app;
    lambda_http::run(service_fn(move |request: Request| {
        logged(request, move |request| delete::handle(app, request))
    }))
    .await
}
