//! The laws of blind names: two spellings of one name have one key, and two names have two.

use engine::flaw::{Flaw, Flaws};
use engine::id::{Dot, ReplicaId};
use engine::name::{BadName, MOST_BYTES, NameKey, fold, of_copy};
use engine::seal::Key;
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::drawn;

const SECRET: Key = Key([7; 32]);

fn key(name: &str) -> Result<NameKey, BadName> {
    NameKey::new(&SECRET, name, Flaws::NONE)
}

/// Names of letters that fold in interesting ways, among others.
fn any_name() -> impl Strategy<Value = String> {
    let odd = "aAäÄßẞſKÅåΣςσİıǅﬁ\u{345}\u{301}\u{308}\u{323}ᾳΆ가각ꭰᏰ.- 1ё";
    let odd: Vec<char> = odd.chars().collect();
    let letter = prop_oneof![3 => prop::sample::select(odd), 1 => any::<char>()];
    prop::collection::vec(letter, 1..8).prop_map(String::from_iter)
}

proptest! {
    #![proptest_config(drawn(512))]

    #[test]
    fn folding_twice_is_folding_once(name in any_name()) {
        prop_assert_eq!(fold(&fold(&name)), fold(&name));
    }

    #[test]
    fn spellings_of_one_name_have_one_key(name in any_name()) {
        let composed: String = name.nfc().collect();
        let decomposed: String = name.nfd().collect();
        prop_assert_eq!(key(&composed), key(&decomposed));
        if let (Ok(one), Ok(other)) = (key(&name), key(&fold(&name))) {
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn names_that_fold_apart_have_keys_apart(one in any_name(), other in any_name()) {
        if let (Ok(a), Ok(b)) = (key(&one), key(&other)) {
            prop_assert_eq!(a == b, fold(&one) == fold(&other));
        }
    }

    #[test]
    fn case_in_ascii_does_not_matter(name in "[a-zA-Z0-9 ]{1,20}") {
        prop_assert_eq!(key(&name.to_uppercase()), key(&name.to_lowercase()));
    }

    #[test]
    fn a_copy_is_a_name_and_another_one(name in any_name(), n in any::<u64>()) {
        prop_assume!(key(&name).is_ok());
        let copy = of_copy(&name, Dot { replica: ReplicaId(n), n });
        prop_assert!(key(&copy).is_ok(), "{copy}");
        prop_assert_ne!(key(&copy), key(&name));
    }
}

#[test]
fn what_a_file_system_takes_for_one_is_one() {
    for (one, other) in [
        ("A.txt", "a.txt"),
        ("STRASSE", "straße"),
        ("\u{e9}", "e\u{301}"),
        ("\u{212b}", "å"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ] {
        assert_eq!(key(one), key(other), "{one} {other}");
    }
    assert_ne!(key("a.txt"), key("a.txt "));
    assert_ne!(key("i"), key("\u{131}"));
}

#[test]
fn what_is_no_name_is_refused_with_the_reason() {
    let told = |name: &str| key(name).expect_err("no name").to_string();
    assert_eq!(told(""), "a name cannot be empty");
    assert_eq!(told(".."), "`.` and `..` cannot be names");
    assert_eq!(told("a/b"), "a name cannot contain '/'");
    assert_eq!(told("a\0"), "a name cannot contain '\\0'");
    assert_eq!(key(&"x".repeat(MOST_BYTES + 1)), Err(BadName::TooLong(MOST_BYTES + 1)));
    assert!(key(&"x".repeat(MOST_BYTES)).is_ok() && key("...").is_ok());
}

#[test]
fn another_secret_gives_another_key() {
    let other = Key([8; 32]);
    assert_ne!(key("a").ok(), NameKey::new(&other, "a", Flaws::NONE).ok());
    assert_eq!(format!("{other:?}"), "Key(..)");
}

#[test]
fn names_by_their_bytes_are_two_where_there_is_one() {
    let flawed = |name| NameKey::new(&SECRET, name, Flaws::only(Flaw::Fb08));
    assert_ne!(flawed("A.txt"), flawed("a.txt"));
}

#[test]
fn a_copy_is_named_from_its_write() {
    let write = Dot { replica: ReplicaId(0x2f), n: 3 };
    assert_eq!(of_copy("report.txt", write), "report (2f-3).txt");
    assert_eq!(of_copy(".profile", write), ".profile (2f-3)");
    for letters in 240..=253 {
        let copy = of_copy(&format!("a.{}", "x".repeat(letters)), write);
        assert!(copy.len() <= MOST_BYTES && copy.contains(" (2f-3)"), "{copy}");
    }
    assert_eq!(of_copy(&"ä".repeat(127), write).len(), MOST_BYTES);
}
