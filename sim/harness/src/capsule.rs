//! Where capsules are kept: a folder that takes small files, each there whole or not at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Bytes of a usual capsule.
const CAPSULE: usize = 32 << 10;

/// The letters of a file's name: none that can be taken for another (RFC 4648, lower case).
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A folder that takes capsules.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder and proves that it takes files, before anything is worth keeping.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let ignore = folder.join(".gitignore");
        if !ignore.exists() {
            write(&ignore, "# Capsules found here are kept by moving them elsewhere.\n*\n")?;
        }
        probe(folder)?;
        Ok(Self(folder.to_owned()))
    }

    /// Keeps a capsule. The same text under the same digest always gets the same name.
    pub fn keep(&self, short: &str, digest: u128, text: &str) -> io::Result<PathBuf> {
        let code = base32(digest);
        for letters in 4..=code.len() {
            let path = self.0.join(format!("{short}-{}.toml", &code[..letters]));
            match fs::read_to_string(&path) {
                Ok(there) if there != text => {}
                Ok(_) => return Ok(path),
                Err(_) => return write(&path, text).map(|()| path),
            }
        }
        Err(io::Error::other(format!("every name for {short}-{code} is taken")))
    }
}

/// Proves that a folder takes files as large as a capsule.
pub fn probe(folder: &Path) -> io::Result<()> {
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    write(&probe, &" ".repeat(CAPSULE))?;
    fs::remove_file(&probe)
}

/// Writes a file so that it is there whole or not at all.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| io::Error::other("the path names no file"))?;
    let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = fs::File::create(&draft)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// The same, so that it survives a loss of power too.
pub fn write_durably(path: &Path, text: &str) -> io::Result<()> {
    write(path, text)?;
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

fn base32(digest: u128) -> String {
    let letter = |at: u32| char::from(BASE32[(digest >> (128 - 5 * (at + 1))) as usize & 31]);
    (0..24).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_the_top_of_the_digest() {
        assert_eq!(&base32(0)[..4], "aaaa");
        assert_eq!(&base32(u128::MAX)[..4], "7777");
        assert_eq!(&base32(1 << 123)[..4], "baaa");
        assert_eq!(base32(u128::MAX).len(), 24);
    }
}
