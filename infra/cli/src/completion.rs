//! `containerlease completion`: a script for a shell's completion.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::{console::Console, failure::Failure};

/// Print a script with which a shell completes this program's arguments
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
For this shell alone:  source <(containerlease completion bash)
For all to come:       containerlease completion bash > /etc/bash_completion.d/containerlease
                       containerlease completion zsh > \"${fpath[1]}/_containerlease\"
                       containerlease completion fish > ~/.config/fish/completions/containerlease.fish")]
pub struct Arguments {
    #[arg(value_parser = clap::builder::EnumValueParser::<Shell>::new())]
    shell: Shell,
}

pub fn run<C: CommandFactory>(arguments: &Arguments, console: &mut Console) -> Result<(), Failure> {
    let mut text = Vec::new();
    generate(
        arguments.shell,
        &mut C::command(),
        "containerlease",
        &mut text,
    );
    console.print(&String::from_utf8_lossy(&text))
}
