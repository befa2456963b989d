//! Names the build: the commit, and whether the sources differ from it. Without git (a tarball, a
//! machine that has none) the package's version stands in; a build never fails for want of a name.

use std::path::Path;
use std::process::Command;

/// Looks, and writes nothing: not even what `git status` keeps for the next time.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("--no-optional-locks").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn main() {
    let version = format!("v{}", env!("CARGO_PKG_VERSION"));
    let build = git(&["rev-parse", "--short=7", "HEAD"]).map_or(version, |commit| {
        let sources = ["status", "--porcelain", "--untracked-files=no", "--", "..", ":!../*.md"];
        let clean = git(&sources).is_some_and(|changes| changes.is_empty());
        commit + if clean { "" } else { "+dirty" }
    });
    println!("cargo:rustc-env=SEAWALL_BUILD={build}");
    for path in ["src", "../src", "../Cargo.toml", "../Cargo.lock", "Cargo.toml"] {
        println!("cargo:rerun-if-changed={path}");
    }
    // Not the index: `git status` rewrites it, and that is no reason to build again. The log of HEAD
    // grows with every commit and checkout.
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}
