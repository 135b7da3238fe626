//! `containerlease images`: the catalogue.

use clap::Args;

use crate::{
    api::{
        Api, Request,
        answer::{Amount, Image, Images},
    },
    console::Console,
    failure::Failure,
    table::Table,
};

/// List what can be leased
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// Show the catalogue as JSON, with limits and presets
    #[arg(long)]
    json: bool,
}

pub async fn run(api: &Api, arguments: &Arguments, console: &mut Console) -> Result<(), Failure> {
    let answer = api.settle(&Request::get("/images")).await?;
    if arguments.json {
        return console.print_line(&answer.json());
    }
    let images: Images = answer.read()?;
    let text = table(&images.images).render(console.colours);
    console.print(&text)
}

fn table(images: &[Image]) -> Table<6> {
    let mut table = Table::new(["IMAGE", "PORTS", "CPU", "MEMORY", "DISK", "DESCRIPTION"]);
    for image in images {
        let ports = image.ports.iter().map(|port| match &port.scheme {
            Some(scheme) => format!("{}/{scheme}", port.container_port),
            None => port.container_port.to_string(),
        });
        let ports: Vec<_> = ports.collect();
        table.row([
            image.image_type.as_str().into(),
            if ports.is_empty() {
                "-".into()
            } else {
                ports.join(", ").into()
            },
            cpu(image.cpu_milli).into(),
            mebibytes(image.memory_mb).into(),
            image
                .disk_mb
                .map_or("-".into(), |disk| mebibytes(disk).into()),
            image.description.as_str().into(),
        ]);
    }
    table
}

/// The default and the maximum.
fn cpu(Amount { default, maximum }: Amount) -> String {
    let cpus = |milli: u32| f64::from(milli) / 1000.0;
    format!("{} of {}", cpus(default), cpus(maximum))
}

fn mebibytes(Amount { default, maximum }: Amount) -> String {
    format!("{default} of {maximum} MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_what_there_is_and_what_comes_with_it() {
        let image = serde_json::json!({
            "imageType": "redis", "description": "A store.", "image": "redis:7",
            "ports": [{"containerPort": 6379, "protocol": "tcp", "scheme": "redis"}],
            "cpuMilli": {"default": 500, "maximum": 2000},
            "memoryMB": {"default": 256, "maximum": 2048},
            "diskMB": {"default": 1024, "maximum": 10240},
        });
        let images = [serde_json::from_value(image).unwrap()];
        assert_eq!(
            table(&images).render(false),
            "IMAGE   PORTS        CPU        MEMORY            DISK                DESCRIPTION\n\
             redis   6379/redis   0.5 of 2   256 of 2048 MiB   1024 of 10240 MiB   A store.\n"
        );
    }
}
