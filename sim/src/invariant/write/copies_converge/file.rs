//! Files: at the end all devices that must agree list the same, and that is what the log has.

use std::collections::BTreeMap;

use engine::id::{Dot, NodeId, UserId};
use engine::log::{FileKey, NodeKind};

use crate::history::Listed;
use crate::invariant::Invariant::CopiesConverge;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::files::Files;
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::visible;

/// What a list says of a node, on any device.
type ListedNode<'e> = (NodeId, &'e str, bool, bool, u32, Vec<(Option<u32>, Dot)>, &'e [String]);

fn row(it: &Listed) -> ListedNode<'_> {
    let heads = it.heads.iter().map(|head| (head.version, head.write)).collect();
    (it.parent, &it.name, it.is_folder, it.deleted, it.latest, heads, &it.copies)
}

/// What a list says of a node, in a few words.
fn tell(row: Option<&ListedNode<'_>>) -> String {
    let Some((_, name, _, deleted, _, heads, _)) = row else { return "absent".to_owned() };
    let numbers: Vec<u32> = heads.iter().filter_map(|head| head.0).collect();
    let unsent = heads.len() - numbers.len();
    let unsent = if unsent == 0 { String::new() } else { format!(" and {unsent} unsent") };
    let deleted = if *deleted { ", deleted" } else { "" };
    format!("\"{}\" with {}{unsent}{deleted}", visible(name), versions(&numbers))
}

/// Versions by their numbers.
fn versions(numbers: &[u32]) -> String {
    let told: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    match told.as_slice() {
        [] => "no version".to_owned(),
        [one] => format!("version {one}"),
        several => format!("versions {}", several.join(", ")),
    }
}

/// The last lists of all devices that must agree show the same, and what the log has.
pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut first: BTreeMap<UserId, (usize, BTreeMap<NodeId, ListedNode<'_>>)> = BTreeMap::new();
    let last =
        evidence.server.file_operations.iter().filter(|it| it.last && evidence.is_core(it.device));
    for operation in last {
        let Some((at, list)) = operation.list() else { continue };
        let rows: BTreeMap<NodeId, ListedNode<'_>> =
            list.iter().map(|it| (it.node, row(it))).collect();
        if let Some(sealed) = list.iter().find(|it| it.sealed) {
            let message = format!(
                "{} cannot open the name of node {:x} at the end.",
                evidence.device_name(operation.device),
                sealed.node.0
            );
            let place = (CopiesConverge, "sealed-at-the-end");
            findings.report(evidence, place, at, About::default(), message, []);
        }
        match first.get(&operation.user) {
            Some((other, expected)) if *expected != rows => {
                let odd = rows.iter().find(|(id, row)| expected.get(id) != Some(row));
                let odd = odd.or_else(|| expected.iter().find(|(id, _)| !rows.contains_key(id)));
                let odd = odd.map(|(id, _)| *id);
                let tell = |rows: &BTreeMap<NodeId, ListedNode<'_>>| {
                    tell(odd.and_then(|id| rows.get(&id)))
                };
                let message = format!(
                    "Replicas diverged on {}: at the end {} lists it as {}, {} as {}.",
                    evidence.node_path(operation.user, odd.unwrap_or(NodeId::ROOT), at),
                    evidence.host_at(*other),
                    tell(expected),
                    evidence.device_name(operation.device),
                    tell(&rows)
                );
                let place = (CopiesConverge, "files-differ");
                findings.report(evidence, place, at, About::default(), message, [*other]);
            }
            Some(_) => {}
            None => {
                is_as_logged(evidence, findings, operation.user, at, &rows);
                first.insert(operation.user, (at, rows));
            }
        }
    }
}

fn is_as_logged(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    user: UserId,
    at: usize,
    rows: &BTreeMap<NodeId, ListedNode<'_>>,
) {
    let nothing = Files::default();
    let files = evidence.epochs.at(at).files.get(&user).unwrap_or(&nothing);
    let mut logged = BTreeMap::new();
    for (key, _) in files.docs() {
        let FileKey::Node(id) = key else { continue };
        let Some(node) = files.node(id, at) else { continue };
        let heads: Vec<u32> = match &node.kind {
            NodeKind::Folder => Vec::new(),
            NodeKind::File { heads, .. } => heads.clone(),
        };
        logged.insert(id, (node.place.parent, node.deleted, heads));
    }
    let listed =
        |row: &ListedNode<'_>| (row.0, row.3, row.5.iter().filter_map(|head| head.0).collect());
    let listed: BTreeMap<_, _> = rows.iter().map(|(id, row)| (*id, listed(row))).collect();
    if listed != logged {
        let odd = listed.iter().find(|(id, row)| logged.get(id) != Some(row));
        let odd = odd.or_else(|| logged.iter().find(|(id, _)| !listed.contains_key(id)));
        let odd = odd.map_or(NodeId::ROOT, |(id, _)| *id);
        let message = format!(
            "{} lists {} at the end as {}; the log has {}.",
            evidence.host_at(at),
            files.path(odd, at),
            tell(rows.get(&odd)),
            logged.get(&odd).map_or("no such node".to_owned(), |(folder, deleted, heads)| {
                let deleted = if *deleted { ", deleted" } else { "" };
                format!("{} in {}{deleted}", versions(heads), files.path(*folder, at))
            })
        );
        let place = (CopiesConverge, "listed-otherwise");
        findings.report(evidence, place, at, About::default(), message, []);
    }
}

#[cfg(test)]
mod tests {
    use crate::invariant::case::Case;
    use crate::invariant::case::tree::DRAFT;

    #[test]
    fn all_devices_list_what_the_log_has() {
        let (mut case, filing) = Case::filed();
        let list = case.files.list_of(&[DRAFT], &[filing]);
        case.phone().files().lists(list.clone(), false);
        let mut case = case.ends();
        case.phone().files().lists(list.clone(), true);
        case.tablet().files().lists(list.clone(), true);
        case.passes();

        let mut odd = list.clone();
        odd[0].name = "Draft.txt".into();
        case.tablet().files().lists(odd, true);
        case.rejects("files-differ");

        let (case, _) = Case::filed();
        let mut case = case.ends();
        case.tablet().files().lists(Vec::new(), true);
        case.rejects("listed-otherwise");

        let (case, _) = Case::filed();
        let mut case = case.ends();
        let mut sealed = list;
        sealed[0].sealed = true;
        case.tablet().files().lists(sealed, true);
        case.rejects("sealed-at-the-end");
    }
}
