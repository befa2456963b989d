//! Words that the messages of judges share: hosts, writes, fields, paths and numbers, as reports have them.

/// A number of things, in the right plural.
pub(crate) fn count(n: usize, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

/// A name with everything in it that cannot be seen, or can be taken for something else, escaped.
pub(crate) fn visible(name: &str) -> String {
    let is_plain = |it: char| it.is_ascii_graphic() || it == ' ';
    name.chars()
        .map(|it| if is_plain(it) { it.to_string() } else { it.escape_default().to_string() })
        .collect()
}
