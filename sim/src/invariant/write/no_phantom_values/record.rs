//! INV-02 `no-phantom-values`: every value shown or stored has a write that made it, to that record
//! and field; and a write of several fields shows in all of them or has been replaced there.
//!
//! The engine's own headstones (a purge) bear [`Token::NONE`] and have no author.

use std::sync::Arc;

use engine::id::{FieldId, RecordId, Token, VaultId};

use crate::history::table::Table;
use crate::history::{Answered, Change, Contents, Fact};
use crate::invariant::Invariant::NoPhantomValues;
use crate::invariant::evidence::cell_set::Set;
use crate::invariant::evidence::writes::{Write, owner};
use crate::invariant::evidence::{Evidence, tokens};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::field_name;
use crate::plan::Node;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    // One state of a record is stored many times and shared by all facts that tell of it, which
    // also keep it alive: where it lies names it. The set is never walked.
    let mut seen: Table<(usize, VaultId, RecordId), ()> = Table::default();
    let mut is_new = |vault, id, contents: &Arc<Contents>| {
        let known = seen.len();
        seen.or_default((Arc::as_ptr(contents).addr(), vault, id));
        seen.len() > known
    };
    for &(at, entry) in &evidence.off_wire {
        match (&entry.fact, entry.node) {
            (Fact::Persisted { changes, .. }, Node::Device(device)) => {
                let vault = evidence.vault(device);
                for change in changes {
                    if let Change::Record(id, Some(contents))
                    | Change::Mirror(_, id, Some((_, Some(contents)))) = change
                        && is_new(vault, *id, contents)
                    {
                        check(evidence, findings, at, (vault, *id), &contents.cells);
                    }
                }
            }
            (Fact::Committed { vault, id, contents: Some(contents), .. }, _)
                if is_new(*vault, *id, contents) =>
            {
                check(evidence, findings, at, (*vault, *id), &contents.cells);
            }
            (Fact::Answered(_, answered), Node::Device(device)) => {
                let Answered::Read(shown) = &**answered else { continue };
                let cells: Vec<_> = tokens(shown).collect();
                check(evidence, findings, at, (evidence.vault(device), shown.id), &cells);
            }
            _ => {}
        }
    }
}

fn check(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    at: usize,
    (vault, id): (VaultId, RecordId),
    cells: &[(FieldId, Token)],
) {
    let record_key = evidence.writes.record_key(vault, id);
    let known: Vec<(FieldId, Option<u32>)> = cells
        .iter()
        .map(|&(field, token)| {
            (field, record_key.and_then(|t| evidence.writes.cell(t, field, token)))
        })
        .collect();
    // What is found of one cell of a write holds for its others.
    let mut whole = Set::default();
    for (&(field, token), &(_, cell)) in cells.iter().zip(&known) {
        if token == Token::NONE && field == FieldId::HEADSTONE || owner(token) != vault_owner(vault)
        {
            continue; // What others wrote is a matter of isolation.
        }
        let (Some(record_key), Some(cell)) = (record_key, cell) else {
            let message = format!(
                "{} holds a value of {id}.{} that no write put there.",
                evidence.host_at(at),
                field_name(id, field)
            );
            let place = (NoPhantomValues, "never-written");
            findings.report(evidence, place, at, About::write(id, token), message, []);
            continue;
        };
        if whole.has(cell) {
            continue;
        }
        let write = evidence.writes.author(record_key, cell);
        if let Some(torn) = torn(evidence, record_key, write, &known) {
            let message = format!(
                "{} holds a torn write: {id}.{} is of {}, but {id}.{} is empty or of a write that {} \
                 replaced.",
                evidence.host_at(at),
                field_name(id, field),
                evidence.write_name(token),
                field_name(id, torn),
                evidence.write_name(token)
            );
            let place = (NoPhantomValues, "torn-write");
            let about = About::write(id, token);
            findings.report(evidence, place, at, about, message, [write.asked]);
        } else {
            write.cells.iter().for_each(|(_, sister)| whole.insert(*sister));
        }
    }
}

fn vault_owner(vault: VaultId) -> engine::id::UserId {
    engine::id::UserId(vault.0)
}

/// A field that a write set too and that shows nothing, or what that write replaced.
fn torn(
    evidence: &Evidence<'_>,
    record_key: usize,
    write: &Write,
    shown: &[(FieldId, Option<u32>)],
) -> Option<FieldId> {
    let writes = &evidence.writes;
    if write.cells.len() < 2 {
        return None;
    }
    let torn = |&&(field, sister): &&(FieldId, u32)| {
        let mut beside = shown.iter().filter(|(other, _)| *other == field);
        let older = |&(_, other): &(FieldId, Option<u32>)| {
            other.is_some_and(|other| writes.replaced(record_key, other, sister))
        };
        beside.clone().next().is_none() || beside.any(older)
    };
    write.cells.iter().find(torn).map(|(field, _)| *field)
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::Token;

    use crate::invariant::case::{Case, KCAL, MEAL, PHOTO};
    use crate::invariant::evidence::tokens;

    /// The tablet is shown a value of its user's that no write made.
    pub(crate) fn broken() -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        let mut shown = case.tablet().shown(MEAL);
        let mut token = shown.fields[0].2[0];
        token.0[15] ^= 0x40;
        shown.fields[0].3.push(token);
        case.tablet().shows(shown.into(), false);
        case.ends()
    }

    #[test]
    fn a_value_of_nobody_is_a_phantom() {
        assert_eq!(broken().violations()[0].site, "never-written");
    }

    #[test]
    fn a_write_shown_in_one_of_its_two_fields_is_torn() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL, PHOTO]);
        let old = case.phone().shown(MEAL);
        case.phone().edits(MEAL, &[KCAL, PHOTO]);
        let mut mixed = case.phone().shown(MEAL);
        mixed.fields[1] = old.fields[1].clone();
        assert_eq!(tokens(&mixed).filter(|cell| cell.1 == Token::NONE).count(), 0);
        case.phone().shows(mixed.into(), false);
        assert!(case.violations().iter().any(|violation| violation.site == "torn-write"));
    }

    #[test]
    fn a_field_written_anew_since_is_not_torn() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL, PHOTO]);
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.ends().passes();
    }
}
