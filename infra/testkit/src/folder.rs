//! A temporary folder.

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
};

/// A temporary folder. It is removed on drop, with all that is in it.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new folder of this name, which only one folder may have.
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("the folder for temporary files can be written");
        Self(folder)
    }

    /// A new folder with a random name.
    pub fn random() -> Self {
        Self::new(&format!("containerlease-{}", uuid::Uuid::new_v4().simple()))
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A leftover temporary folder does no harm.
        drop(fs::remove_dir_all(&self.0));
    }
}
