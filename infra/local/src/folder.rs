//! The data folder: what lies in it, which is this user's alone.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    },
    path::Path,
};

/// Whoever holds it uses the folder.
pub(crate) const LOCK: &str = "lock";

/// The file that keeps space for the table.
pub(crate) const RESERVE: &str = "reserve";

/// The file with the token of those who may call.
pub(crate) const TOKEN: &str = "token";

/// The table's file.
pub(crate) const FILE: &str = "table.sqlite";

/// The file with the URL of the table's door, where there is one.
pub(crate) const ENDPOINT: &str = "table-endpoint";

/// All that this server keeps there.
const FILES: [&str; 7] = [
    LOCK,
    RESERVE,
    TOKEN,
    FILE,
    "table.sqlite-shm",
    "table.sqlite-wal",
    ENDPOINT,
];

/// Makes the folder for this user alone. One that was there already is closed to others only if
/// nothing else is kept in it: somebody may have named one that others need.
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

/// Opens a file that only this user may read, and makes it if it is not there. One that an
/// earlier release has left open to others is closed to them. One that somebody else has put
/// there is not opened: he could read it, or have named another file by it.
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

/// What its owner may do, if others may do anything.
fn close_to_others(open: &fs::Permissions) -> Option<fs::Permissions> {
    const OTHERS: u32 = 0o077;
    let mode = open.mode();
    (mode & OTHERS != 0).then(|| fs::Permissions::from_mode(mode & !OTHERS))
}
