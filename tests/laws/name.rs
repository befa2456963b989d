//! The laws of blind names: two spellings of one name have one key, and two names have two.

use engine::flaw::{Flaw, Flaws};
use engine::id::{Dot, ReplicaId};
use engine::name::{BadName, LONGEST, NameKey, fold, instead, of_copy};
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
    let odd = "aAäÄßẞſKÅåΣςσİıǅﬁ\u{345}\u{301}\u{308}\u{323}\u{34f}\u{200d}ᾳΆ가각ꭰᏰ.- 1ё:auxAUX";
    let odd: Vec<char> = odd.chars().collect();
    let letter = prop_oneof![3 => prop::sample::select(odd), 1 => any::<char>()];
    prop::collection::vec(letter, 1..8).prop_map(String::from_iter)
}

proptest! {
    #![proptest_config(drawn(512))]

    /// What is ASCII is folded by a shorter way, to the same.
    #[test]
    fn ascii_is_folded_as_all_else_is(name in "[ -~]{0,40}") {
        prop_assert_eq!(fold(&name) + "é", fold(&format!("{name}é")));
    }

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
    fn what_is_proposed_is_a_name_and_a_name_is_left_as_it_is(name in any_name(), times in 1_usize..99) {
        for name in [name.clone(), name.repeat(times), format!("{}{name}", ".".repeat(4 * times))] {
            let proposed = instead(&name);
            prop_assert!(key(&proposed).is_ok(), "{name:?}: {proposed:?}");
            prop_assert!(key(&name).is_err() || proposed == name.as_str(), "{name:?}: {proposed:?}");
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
        ("soft\u{ad}ware.txt", "software.txt"),
        ("\u{feff}a.txt", "a.txt"),
    ] {
        assert_eq!(key(one), key(other), "{one} {other}");
    }
    for (one, other) in [("a.txt", " a.txt"), ("i", "\u{131}"), ("2", "²"), ("a.txt", "a_txt")] {
        assert_ne!(key(one), key(other), "{one} {other}");
    }
}

#[test]
fn what_is_no_name_is_refused_with_the_reason() {
    let told = |name: &str| key(name).expect_err("no name").to_string();
    assert_eq!(told(""), "a name cannot be empty: write at least one letter");
    assert_eq!(told(".."), "`.` and `..` cannot be names: write a letter");
    let stored = "which some systems cannot store: write `_`";
    assert_eq!(told("a/b"), format!("a name cannot contain '/', {stored}"));
    assert_eq!(told("a\0"), format!("a name cannot contain '\\0', {stored}"));
    assert_eq!(told("a."), "a name cannot end with '.', which Windows drops: leave it out");
    assert!(told("aux.txt").starts_with("a name cannot be that of a device of Windows"));
    assert!(told(&"x".repeat(LONGEST + 1)).ends_with("at most, not 256: shorten it"));
}

/// No name that some common file system cannot have, or has under another one.
#[test]
fn a_name_fits_on_every_common_file_system() {
    for (name, why, proposed) in [
        ("\u{200d}", BadName::Empty, "_"),
        ("...", BadName::Ending('.'), "_"),
        ("plan.txt.", BadName::Ending('.'), "plan.txt"),
        ("plan.txt. ", BadName::Ending(' '), "plan.txt"),
        ("plan.txt.\u{200b}", BadName::Ending('.'), "plan.txt"),
        ("a:b.txt", BadName::Character(':'), "a_b.txt"),
        ("a\\b?.txt", BadName::Character('\\'), "a_b_.txt"),
        ("a\u{7f}", BadName::Character('\u{7f}'), "a_"),
        ("aux", BadName::Device, "_aux"),
        ("Aux.tar.gz", BadName::Device, "_Aux.tar.gz"),
        ("NUL .txt", BadName::Device, "_NUL .txt"),
        ("com1", BadName::Device, "_com1"),
        ("LPT\u{b3}.txt", BadName::Device, "_LPT\u{b3}.txt"),
        ("conout$", BadName::Device, "_conout$"),
    ] {
        assert_eq!((key(name), &*instead(name)), (Err(why), proposed), "{name:?}");
    }
    for name in
        [".profile", "auxiliary", "com", "com10", "lpt", "a.con", "x".repeat(LONGEST).as_str()]
    {
        assert!(key(name).is_ok() && instead(name) == name, "{name:?}");
    }
    // 172 bytes, and more than 255 units of UTF-16 where it is decomposed.
    assert!(key(&"ΐ".repeat(85)).is_ok());
    assert_eq!(key(&"ΐ".repeat(86)), Err(BadName::TooLong(258)));
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
    let flawed = |name| NameKey::new(&SECRET, name, Flaws::only(Flaw::Fb30));
    assert_ne!(flawed("a.txt.").expect("it is taken"), flawed("a.txt").expect("so is this"));
}

#[test]
fn a_copy_is_named_from_its_write() {
    let write = Dot { replica: ReplicaId(0x2f), n: 3 };
    assert_eq!(of_copy("report.txt", write), "report (2f-3).txt");
    assert_eq!(of_copy(".profile", write), ".profile (2f-3)");
    for letters in 240..=253 {
        let copy = of_copy(&format!("a.{}", "x".repeat(letters)), write);
        assert!(copy.len() <= LONGEST && copy.contains(" (2f-3)"), "{copy}");
    }
    assert_eq!(of_copy(&"ä".repeat(127), write).len(), LONGEST);
}
