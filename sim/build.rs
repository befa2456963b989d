//! Names the build: the commit, and whether the sources differ from it. Without git (a tarball, a
//! machine that has none) the package's version stands in; a build never fails for want of a name.

use std::process::Command;

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
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
    for name in ["HEAD", "index"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}
