//! `nixci walls`: what `nixci serve` starts evaluations with where bubblewrap is not used.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::Args;

use super::Failure;
use crate::eval::{Connect, Fence};

/// Options of `walls`.
#[derive(Debug, Args)]
pub(super) struct WallsArgs {
    /// A program or a folder of programs that may be read and run
    #[arg(long, value_name = "PATH")]
    execute: Vec<PathBuf>,

    /// A file or folder that may be read
    #[arg(long, value_name = "PATH")]
    read: Vec<PathBuf>,

    /// A file or folder that may be read and changed
    #[arg(long, value_name = "PATH")]
    write: Vec<PathBuf>,

    /// Let it connect to TCP ports
    #[arg(long, conflicts_with = "port")]
    network: bool,

    /// Let it connect to this TCP port
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,

    /// Keep nothing but the network from it
    #[arg(long)]
    only_network: bool,

    /// End with the process of this number, which has started it
    #[arg(long, value_name = "PID")]
    parent: Option<u32>,

    /// The control group to go into first
    #[arg(long, value_name = "DIR")]
    cgroup: Option<PathBuf>,

    /// The folder to be in
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// The program
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

/// Becomes the program, or says why not.
pub(super) fn walls(args: WallsArgs) -> Result<ExitCode, Failure> {
    let fence = Fence {
        execute: args.execute,
        read: args.read,
        write: args.write,
        connect: match args.port {
            _ if args.network => Connect::Anything,
            Some(port) => Connect::Port(port),
            None => Connect::Nothing,
        },
        only_network: args.only_network,
        parent: args.parent,
        cgroup: args.cgroup,
        dir: args.dir,
    };
    let Some((program, arguments)) = args.program.split_first() else {
        return Err(Failure::usage(anyhow::anyhow!("no program is named")));
    };
    match fence.run(program, arguments) {
        Ok(never) => match never {},
        Err(error) => Err(Failure::infrastructure(error)),
    }
}
