//! The tree as syntax: each module with what it declares, what it imports and what it names, read with
//! `syn`. What a macro declares is not seen; paths in the arguments of a macro are.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::tidy::source::Source;

/// Names from the root of a package down.
pub(super) type Path = Vec<String>;

/// The folders of the packages, inner ones first. Each folder of tests or examples counts as one.
const PACKAGES: &[&str] = &[
    "sim/harness/src",
    "sim/harness/examples",
    "sim/harness/tests",
    "sim/src",
    "bench/src",
    "src",
    "tests",
];

/// A struct, enum or union.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) name: String,
    /// Of the variant that has most, if it is an enum.
    pub(super) fields: usize,
}

/// An `impl` block.
#[derive(Debug)]
pub(super) struct Impl {
    /// Of what, from the root of the package.
    pub(super) of: Path,
    pub(super) methods: usize,
}

/// A function, from its signature to its closing brace.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) lines: usize,
}

/// A module: a file, or a block within one.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// The source that it is in.
    pub(super) file: String,
    /// It is compiled for tests alone.
    pub(super) is_test: bool,
    pub(super) types: Vec<Type>,
    pub(super) impls: Vec<Impl>,
    pub(super) functions: Vec<Function>,
    /// All that it declares.
    names: BTreeSet<String>,
    /// What it imports by name, from the root of the package.
    imports: BTreeMap<String, Path>,
    globs: Vec<Path>,
    /// All that it names with a path through the package, from its root.
    pub(super) uses: Vec<Path>,
}

/// A package, by the paths of its modules.
#[derive(Debug, Default)]
pub(super) struct Package {
    pub(super) modules: BTreeMap<Path, Module>,
}

impl Package {
    /// The module in which the last name of a path is declared, and the name, if it is no module itself.
    /// Goes through imports, so what a module exports of another counts as the other's.
    pub(super) fn resolve(&self, path: &[String]) -> (Path, Option<String>) {
        self.follow(path, 0)
    }

    fn follow(&self, path: &[String], depth: usize) -> (Path, Option<String>) {
        let mut at = Path::new();
        for (n, name) in path.iter().enumerate() {
            let child: Path = at.iter().chain([name]).cloned().collect();
            if self.modules.contains_key(&child) {
                at = child;
                continue;
            }
            let Some(module) = self.modules.get(&at).filter(|_| depth < 8) else { break };
            if module.names.contains(name) {
                return (at, Some(name.clone()));
            }
            if let Some(import) = module.imports.get(name) {
                let onward: Path = import.iter().chain(&path[n + 1..]).cloned().collect();
                return self.follow(&onward, depth + 1);
            }
            for glob in &module.globs {
                let onward: Path = glob.iter().chain(&path[n..]).cloned().collect();
                if let (found, Some(item)) = self.follow(&onward, depth + 1) {
                    return (found, Some(item));
                }
            }
            break;
        }
        (at, None)
    }
}

/// The packages of these sources, by their folders.
pub(super) fn packages(sources: &[Source]) -> BTreeMap<&'static str, Package> {
    let mut packages: BTreeMap<&str, Package> = BTreeMap::new();
    for source in sources {
        let folder = PACKAGES.iter().find(|folder| {
            source.path.strip_prefix(**folder).is_some_and(|rest| rest.starts_with('/'))
        });
        let folder = folder.unwrap_or_else(|| panic!("{} is in no package", source.path));
        let rest =
            source.path[folder.len() + 1..].strip_suffix(".rs").expect("it is a Rust source");
        let mut path: Path = rest.split('/').map(str::to_owned).collect();
        if path.len() == 1 && matches!(path[0].as_str(), "lib" | "main") {
            path.clear();
        }
        let is_test = !folder.ends_with("tests") && path.iter().any(|name| name == "tests");
        let file = syn::parse_file(&source.text);
        let file = file.unwrap_or_else(|error| panic!("{}: {error}", source.path));
        let package = packages.entry(folder).or_default();
        let mut reader = Reader { package, file: &source.path, path, is_test };
        reader.module().file.clone_from(&source.path);
        reader.visit_file(&file);
    }
    packages
}

/// Reads a file into the modules of its package.
struct Reader<'a> {
    package: &'a mut Package,
    file: &'a str,
    path: Path,
    is_test: bool,
}

impl Reader<'_> {
    fn module(&mut self) -> &mut Module {
        let module = self.package.modules.entry(self.path.clone()).or_default();
        module.is_test = self.is_test;
        module
    }

    fn declares(&mut self, name: &syn::Ident) {
        self.module().names.insert(name.to_string());
    }

    /// A path as it goes from the root of the package, if it goes through the package.
    fn rooted(&self, path: &[String]) -> Option<Path> {
        let supers = path.iter().take_while(|name| *name == "super").count();
        let (base, rest) = match path.first()?.as_str() {
            "crate" => (&[][..], &path[1..]),
            "self" => (&self.path[..], &path[1..]),
            "super" => (&self.path[..self.path.len().checked_sub(supers)?], &path[supers..]),
            _ => return None,
        };
        Some(base.iter().chain(rest).cloned().collect())
    }

    /// The same; what begins with a name is taken to be below this module.
    fn rooted_or_below(&self, path: &[String]) -> Path {
        let here = || self.path.iter().chain(path).cloned().collect();
        self.rooted(path).unwrap_or_else(here)
    }

    fn uses(&mut self, path: &[String]) {
        if let Some(path) = self.rooted(path) {
            self.module().uses.push(path);
        }
    }

    fn imports(&mut self, tree: &syn::UseTree, before: &mut Path) {
        let (name, path) = match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.imports(&path.tree, before);
                before.pop();
                return;
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.imports(tree, before);
                }
                return;
            }
            syn::UseTree::Glob(_) => {
                self.uses(before);
                if let Some(path) = self.rooted(before) {
                    self.module().globs.push(path);
                }
                return;
            }
            syn::UseTree::Name(name) => (&name.ident, &name.ident),
            syn::UseTree::Rename(name) => (&name.rename, &name.ident),
        };
        let mut path_of = before.clone();
        let mut name = name.to_string();
        if path == "self" {
            name = before.last().cloned().unwrap_or(name);
        } else {
            path_of.push(path.to_string());
        }
        self.uses(&path_of);
        let path = self.rooted_or_below(&path_of);
        self.module().imports.insert(name, path);
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (from, to) = (signature.fn_token.span.start(), block.brace_token.span.close().end());
        let (name, lines) = (signature.ident.to_string(), to.line - from.line + 1);
        self.module().functions.push(Function { name, lines });
    }

    /// The paths through the package in the arguments of a macro.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Path::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.uses(&path);
                        path.clear();
                    }
                    colons = 0;
                    path.push(name.to_string());
                }
                TokenTree::Group(group) => {
                    self.tokens(group.stream());
                    colons = 0;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.uses(&path);
                    path.clear();
                    colons = 0;
                }
            }
        }
        self.uses(&path);
    }
}

/// Is it compiled for tests alone?
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    let is_test = |attribute: &syn::Attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        syn::Meta::Path(_) | syn::Meta::NameValue(_) => false,
    };
    attributes.iter().any(is_test)
}

fn names_of(path: &syn::Path) -> Path {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        self.declares(&item.ident);
        let Some((_, items)) = &item.content else { return };
        let was_test = self.is_test;
        self.is_test |= is_for_tests(&item.attrs);
        self.path.push(item.ident.to_string());
        self.module().file = self.file.to_owned();
        items.iter().for_each(|item| self.visit_item(item));
        self.path.pop();
        self.is_test = was_test;
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.imports(&item.tree, &mut Path::new());
    }

    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        self.declares(&item.ident);
        let (name, fields) = (item.ident.to_string(), item.fields.len());
        self.module().types.push(Type { name, fields });
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        self.declares(&item.ident);
        let fields = item.variants.iter().map(|variant| variant.fields.len()).max().unwrap_or(0);
        self.module().types.push(Type { name: item.ident.to_string(), fields });
        visit::visit_item_enum(self, item);
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        if let syn::Type::Path(of) = &*item.self_ty {
            let is_method = |item: &&syn::ImplItem| matches!(item, syn::ImplItem::Fn(_));
            let methods = item.items.iter().filter(is_method).count();
            let of = self.rooted_or_below(&names_of(&of.path));
            self.module().impls.push(Impl { of, methods });
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        self.declares(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'a syn::ItemType) {
        self.declares(&item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_const(&mut self, item: &'a syn::ItemConst) {
        self.declares(&item.ident);
        visit::visit_item_const(self, item);
    }

    fn visit_item_static(&mut self, item: &'a syn::ItemStatic) {
        self.declares(&item.ident);
        visit::visit_item_static(self, item);
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.declares(&item.sig.ident);
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        self.uses(&names_of(path));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'a syn::Macro) {
        self.tokens(mac.tokens.clone());
        visit::visit_macro(self, mac);
    }
}
