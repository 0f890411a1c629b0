//! Items: functions, types, traits, modules, imports, and what is not understood.

use super::parser::{Fault, Parse, Parser, closing};
use super::tokens::*;
use super::tree::*;
use super::types::Place;

/// What functions, traits, implementations and values say of themselves.
mod flag {
    pub(super) const CONST: u8 = 1;
    pub(super) const ASYNC: u8 = 2;
    pub(super) const UNSAFE: u8 = 4;
    pub(super) const EXTERN: u8 = 8;
    pub(super) const DEFAULT: u8 = 16;
    pub(super) const NEGATIVE: u8 = 32;
    pub(super) const MUT: u8 = 64;
}

impl<'t, S: Store<'t>> Parser<'_, 't, S> {
    /// Reads items up to `close`, which it takes; with [`END`], all there are.
    pub(super) fn items(&mut self, close: u8) -> Parse<S::List<Item<'t, S>>> {
        self.list(|parser| {
            while parser.take(b';') {}
            match parser.code() {
                code if code == close => {
                    parser.bump();
                    Ok(None)
                }
                END => Err(Fault),
                _ => parser.item().map(Some),
            }
        })
    }

    /// Reads an item, as tokens if need be.
    pub(super) fn item(&mut self) -> Parse<Item<'t, S>> {
        let from = self.at();
        self.counts.1 += 1;
        match self.deeper(Self::item_here) {
            Ok(item) => Ok(item),
            Err(Fault) => {
                self.counts.0 += 1;
                self.go_back(from);
                let start = self.token().start;
                let what = ItemWhat::Tokens(self.tokens_of_item()?);
                Ok(Item { start, attrs: self.none(), visibility: None, what })
            }
        }
    }

    /// Reads trees up to a semicolon or through a group in braces.
    fn tokens_of_item(&mut self) -> Parse<S::List<Tree<'t, S>>> {
        let mut ended = false;
        let mut first = true;
        self.list(|parser| {
            if ended || (!first && matches!(parser.code(), b'}' | END)) {
                return Ok(None);
            }
            first = false;
            let from = parser.at();
            let tree = match parser.tree() {
                Ok(tree) => tree,
                // A group without an end: its bracket alone.
                Err(Fault) => {
                    parser.go_back(from);
                    Tree::Mark(parser.bump().code)
                }
            };
            ended = matches!(tree, Tree::Mark(b';') | Tree::Group(b'{', _));
            Ok(Some(tree))
        })
    }

    /// Tokens up to the first after attributes.
    pub(super) fn after_attributes(&self) -> usize {
        let mut skip = 0;
        loop {
            match self.code_at(skip) {
                DOC => skip += 1,
                b'#' => {
                    skip += 1 + usize::from(self.code_at(skip + 1) == b'!');
                    let mut depth = 0_usize;
                    loop {
                        match self.code_at(skip) {
                            b'[' | b'(' | b'{' => depth += 1,
                            b']' | b')' | b'}' => depth = depth.saturating_sub(1),
                            END => return skip,
                            _ => {}
                        }
                        skip += 1;
                        if depth == 0 {
                            break;
                        }
                    }
                }
                _ => return skip,
            }
        }
    }

    /// Whether an item begins after `skip` tokens of a block.
    pub(super) fn is_item(&self, skip: usize) -> bool {
        let next = self.code_at(skip + 1);
        match self.code_at(skip) {
            USE | MOD | STRUCT | ENUM | TRAIT | IMPL | FN | TYPE | PUB | EXTERN => true,
            STATIC => matches!(next, NAME | MUT | REF),
            CONST => matches!(next, NAME | FN | UNSAFE | EXTERN | ASYNC),
            UNSAFE => matches!(next, FN | IMPL | TRAIT | EXTERN | MOD),
            ASYNC => matches!(next, FN | UNSAFE),
            NAME => match self.token_at(skip).text {
                "macro_rules" => next == b'!',
                "union" => next == NAME,
                _ => false,
            },
            _ => false,
        }
    }

    fn item_here(&mut self) -> Parse<Item<'t, S>> {
        let (start, from) = (self.token().start, self.at());
        let attrs = self.attributes()?;
        if matches!(self.code(), b'}' | END) && self.at() > from {
            // Attributes of what surrounds them, and nothing after.
            let what = ItemWhat::Tokens(self.none());
            return Ok(Item { start, attrs, visibility: None, what });
        }
        let visibility = self.visibility()?;
        let what = self.item_what()?;
        Ok(Item { start, attrs, visibility, what })
    }

    fn visibility(&mut self) -> Parse<Option<S::Box<Visibility<'t, S>>>> {
        if !self.take(PUB) {
            return Ok(None);
        }
        let restricted = self.code() == b'('
            && (self.code_at(1) == IN
                || (matches!(self.token_at(1).text, "crate" | "self" | "super")
                    && self.code_at(2) == b')'));
        let mut to = None;
        if restricted {
            self.bump();
            self.take(IN);
            to = Some(self.path(Place::Type)?);
            self.expect(b')')?;
        }
        Ok(Some(self.boxed(Visibility { to })))
    }

    fn item_what(&mut self) -> Parse<ItemWhat<'t, S>> {
        let token = self.token();
        match token.code {
            USE => {
                self.bump();
                self.take_two(*b"::");
                let tree = self.use_tree()?;
                self.expect(b';')?;
                Ok(ItemWhat::Use(tree))
            }
            MOD => {
                self.bump();
                let name = self.name()?;
                if self.take(b';') {
                    return Ok(ItemWhat::Module(name, None));
                }
                self.expect(b'{')?;
                Ok(ItemWhat::Module(name, Some(self.items(b'}')?)))
            }
            STRUCT => self.struct_(STRUCT),
            ENUM => self.enum_(),
            TYPE => self.alias(),
            STATIC => self.value(),
            CONST if !matches!(self.code_at(1), FN | UNSAFE | EXTERN | ASYNC) => self.value(),
            NAME => match token.text {
                "union" if self.code_at(1) == NAME => self.struct_(NAME),
                "default" | "safe" | "auto" if self.code_at(1) > END => {
                    self.bump();
                    self.qualified(flag::DEFAULT)
                }
                _ => {
                    let path = self.path(Place::Type)?;
                    let call = self.call(path)?;
                    self.take(b';');
                    Ok(ItemWhat::Macro(call))
                }
            },
            b':' => {
                let path = self.path(Place::Type)?;
                Ok(ItemWhat::Macro(self.call(path)?))
            }
            _ => self.qualified(0),
        }
    }

    /// Reads what may begin with `const`, `async`, `unsafe` and `extern`.
    fn qualified(&mut self, mut flags: u8) -> Parse<ItemWhat<'t, S>> {
        for (code, flag) in [(CONST, flag::CONST), (ASYNC, flag::ASYNC), (UNSAFE, flag::UNSAFE)] {
            flags |= if self.take(code) { flag } else { 0 };
        }
        let mut abi = None;
        if self.take(EXTERN) {
            if self.sees_name("crate") {
                self.bump();
                let name = self.name()?;
                let alias = if self.take(AS) { Some(self.name()?) } else { None };
                self.expect(b';')?;
                return Ok(ItemWhat::Crate(name, alias));
            }
            flags |= flag::EXTERN;
            abi = self.text_if(STR);
            if self.take(b'{') {
                return Ok(ItemWhat::Foreign(abi, self.items(b'}')?));
            }
        }
        match self.code() {
            FN => self.function(flags, abi),
            TRAIT => self.trait_(flags),
            IMPL => self.impl_(flags),
            TYPE => self.alias(),
            STATIC => self.value(),
            _ => Err(Fault),
        }
    }

    fn function(&mut self, flags: u8, abi: Option<S::Text>) -> Parse<ItemWhat<'t, S>> {
        self.expect(FN)?;
        let name = self.name()?;
        let generics = self.generic_params()?;
        self.expect(b'(')?;
        let params = self.commas(b')', Self::param)?;
        let output = self.output(true)?;
        let generics = self.generics(generics)?;
        let body = if self.take(b';') { None } else { Some(self.block()?) };
        let function = Function { flags, abi, name, generics, params, output, body };
        Ok(ItemWhat::Function(self.boxed(function)))
    }

    fn param(&mut self) -> Parse<Param<'t, S>> {
        let attrs = self.attributes()?;
        if self.take_two(*b"..") {
            self.expect(b'.')?;
            return Ok(Param { attrs, pattern: None, of: None });
        }
        // `self`, `&self`, `&'a mut self`: a pattern that may have no type.
        let from = self.at();
        let by_ref = self.take(b'&');
        let named = self.text_if(LIFETIME);
        let exclusive = self.take(MUT);
        if self.sees_name("self") && !self.joins_colon(1) {
            let name = self.name()?;
            let flags = u8::from(by_ref) << 2 | u8::from(exclusive) << 1;
            let pattern = Some(Pattern::Bind(flags | u8::from(named.is_some()), name, None));
            let of = if self.take(b':') { Some(self.type_()?) } else { None };
            return Ok(Param { attrs, pattern, of });
        }
        self.go_back(from);
        let pattern = self.pattern_alone()?;
        self.expect(b':')?;
        if self.take_two(*b"..") {
            self.expect(b'.')?;
            return Ok(Param { attrs, pattern: Some(pattern), of: None });
        }
        Ok(Param { attrs, pattern: Some(pattern), of: Some(self.type_()?) })
    }

    fn struct_(&mut self, word: u8) -> Parse<ItemWhat<'t, S>> {
        self.bump();
        let name = self.name()?;
        let params = self.generic_params()?;
        if self.code() == b'(' {
            let fields = self.fields()?;
            let generics = self.generics(params)?;
            self.expect(b';')?;
            return Ok(ItemWhat::Struct(word, name, generics, fields));
        }
        let generics = self.generics(params)?;
        let fields = if self.take(b';') { self.none() } else { self.fields()? };
        Ok(ItemWhat::Struct(word, name, generics, fields))
    }

    /// Reads fields in braces or parentheses.
    fn fields(&mut self) -> Parse<S::List<Field<'t, S>>> {
        let open = self.bump().code;
        if !matches!(open, b'(' | b'{') {
            return Err(Fault);
        }
        self.commas(closing(open), |parser| {
            let attrs = parser.attributes()?;
            let visibility = parser.visibility()?;
            let mut name = None;
            if open == b'{' {
                name = Some(parser.name()?);
                parser.expect(b':')?;
            }
            let of = parser.type_()?;
            Ok(Field { attrs, visibility, name, of })
        })
    }

    fn enum_(&mut self) -> Parse<ItemWhat<'t, S>> {
        self.bump();
        let name = self.name()?;
        let params = self.generic_params()?;
        let generics = self.generics(params)?;
        self.expect(b'{')?;
        let variants = self.commas(b'}', |parser| {
            let attrs = parser.attributes()?;
            let name = parser.name()?;
            let fields = match parser.code() {
                b'(' | b'{' => parser.fields()?,
                _ => parser.none(),
            };
            let value = if parser.take(b'=') { Some(parser.expression()?) } else { None };
            let value = value.map(|value| parser.boxed(value));
            Ok(Variant { attrs, name, fields, value })
        })?;
        Ok(ItemWhat::Enum(name, generics, variants))
    }

    fn trait_(&mut self, flags: u8) -> Parse<ItemWhat<'t, S>> {
        self.bump();
        let name = self.name()?;
        let params = self.generic_params()?;
        let bounds = if self.take(b':') { self.bounds()? } else { self.none() };
        let generics = self.generics(params)?;
        self.expect(b'{')?;
        let items = self.items(b'}')?;
        Ok(ItemWhat::Trait(self.boxed(Trait { flags, name, generics, bounds, items })))
    }

    fn impl_(&mut self, mut flags: u8) -> Parse<ItemWhat<'t, S>> {
        self.bump();
        let params = self.generic_params()?;
        flags |= if self.take(CONST) { flag::CONST } else { 0 };
        flags |= if self.take(b'!') { flag::NEGATIVE } else { 0 };
        let first = self.type_()?;
        let (of_trait, of) = match self.take(FOR) {
            true => (Some(first), self.type_()?),
            false => (None, first),
        };
        let generics = self.generics(params)?;
        self.expect(b'{')?;
        let items = self.items(b'}')?;
        Ok(ItemWhat::Impl(self.boxed(Impl { flags, generics, of_trait, of, items })))
    }

    fn value(&mut self) -> Parse<ItemWhat<'t, S>> {
        let mut flags = if self.bump().code == CONST { flag::CONST } else { 0 };
        flags |= if self.take(MUT) { flag::MUT } else { 0 };
        let name = self.name()?;
        let of = if self.take(b':') { Some(self.type_()?) } else { None };
        let value = if self.take(b'=') { Some(self.expression()?) } else { None };
        self.expect(b';')?;
        Ok(ItemWhat::Value(self.boxed(Value { flags, name, of, value })))
    }

    fn alias(&mut self) -> Parse<ItemWhat<'t, S>> {
        self.bump();
        let name = self.name()?;
        let params = self.generic_params()?;
        let bounds = if self.take(b':') { self.bounds()? } else { self.none() };
        let generics = self.generics(params)?;
        let of = if self.take(b'=') { Some(self.type_()?) } else { None };
        if self.code() == WHERE {
            self.generics(None)?;
        }
        self.expect(b';')?;
        Ok(ItemWhat::Alias(self.boxed(Alias { name, generics, bounds, of })))
    }

    fn use_tree(&mut self) -> Parse<UseTree<'t, S>> {
        match self.code() {
            b'*' => {
                self.bump();
                Ok(UseTree::All())
            }
            b'{' => {
                self.bump();
                let trees = self.deeper(|parser| {
                    parser.commas(b'}', |parser| {
                        parser.take_two(*b"::");
                        parser.use_tree()
                    })
                })?;
                Ok(UseTree::Group(trees))
            }
            _ => {
                let name = self.name()?;
                if self.take_two(*b"::") {
                    let rest = self.deeper(Self::use_tree)?;
                    return Ok(UseTree::Path(name, self.boxed(rest)));
                }
                let alias = if self.take(AS) { Some(self.name()?) } else { None };
                Ok(UseTree::Name(name, alias))
            }
        }
    }
}
