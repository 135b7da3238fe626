//! The data folder and its files, which only this user may access.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    },
    path::Path,
};

/// The server that holds this lock uses the folder.
pub(crate) const LOCK: &str = "lock";

/// The file that reserves space for the table.
pub(crate) const RESERVE: &str = "reserve";

/// The file with the callers' token.
pub(crate) const TOKEN: &str = "token";

/// The table's file.
pub(crate) const FILE: &str = "table.sqlite";

/// The file with the URL at which other processes reach the table, if they may.
pub(crate) const ENDPOINT: &str = "table-endpoint";

/// All files that this server keeps there.
const FILES: [&str; 7] = [
    LOCK,
    RESERVE,
    TOKEN,
    FILE,
    "table.sqlite-shm",
    "table.sqlite-wal",
    ENDPOINT,
];

/// Creates the folder for this user alone. An existing folder is closed to others only if it holds
/// nothing else: others may need it.
pub(crate) fn make_private(folder: &Path) -> io::Result<()> {
    let mut make = fs::DirBuilder::new();
    make.recursive(true).mode(0o700).create(folder)?;
    let ours = |name: &std::ffi::OsStr| FILES.iter().any(|file| name == *file);
    for entry in fs::read_dir(folder)? {
        if !ours(&entry?.file_name()) {
            return Ok(());
        }
    }
    close_to_others(&fs::metadata(folder)?.permissions())
        .map_or(Ok(()), |closed| fs::set_permissions(folder, closed))
}

/// Opens a file that only this user may read; creates it if it is missing. Closes it to others if
/// an earlier release left it open. Refuses a file that another user put there: that user could
/// read it, or the name could be a link to another file.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let file = options.create(true).truncate(false).write(true).mode(0o600);
    let never_a_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let file = file.custom_flags(never_a_link).open(path)?;
    let found = file.metadata()?;
    if found.uid() != rustix::process::geteuid().as_raw() || found.nlink() > 1 {
        let name = path.file_name().unwrap_or_default().display();
        let message = format!("the file {name} there is another user's, or has two names");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    if let Some(closed) = close_to_others(&found.permissions()) {
        file.set_permissions(closed)?;
    }
    Ok(file)
}

/// The permissions without those of others; none if others already have none.
fn close_to_others(open: &fs::Permissions) -> Option<fs::Permissions> {
    const OTHERS: u32 = 0o077;
    let mode = open.mode();
    (mode & OTHERS != 0).then(|| fs::Permissions::from_mode(mode & !OTHERS))
}
