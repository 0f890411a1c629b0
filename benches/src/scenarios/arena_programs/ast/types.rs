//! Paths, types, bounds, generics and patterns.

use super::parser::{Fault, Parse, Parser};
use super::tokens::*;
use super::tree::*;

/// Whether a path stands in an expression, where `<` alone compares.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Type,
    Value,
}

impl<'t, S: Store<'t>> Parser<'_, 't, S> {
    // ---- paths ----------------------------------------------------------------------------------

    pub(super) fn path(&mut self, place: Place) -> Parse<Path<'t, S>> {
        let mut qualified = None;
        if self.take(b'<') {
            let of = self.type_()?;
            let as_trait = if self.take(AS) { Some(self.path(Place::Type)?) } else { None };
            self.expect(b'>')?;
            qualified = Some(self.boxed(Qualified { of, as_trait }));
        }
        let rooted = self.take_two(*b"::");
        if qualified.is_some() && !rooted {
            return Err(Fault);
        }
        let mut first = true;
        let segments = self.list(|parser| {
            let goes_on = parser.sees(*b"::") && parser.code_at(2) == NAME;
            if !first && !goes_on {
                return Ok(None);
            }
            if !first {
                parser.skip(2);
            }
            first = false;
            parser.segment(place).map(Some)
        })?;
        Ok(Path { segments, qualified })
    }

    pub(super) fn segment(&mut self, place: Place) -> Parse<Segment<'t, S>> {
        let name = self.name()?;
        let args = self.args(place)?;
        Ok(Segment { name, args })
    }

    /// Reads `<T>`, `::<T>` or `(T) -> U` after a name, if it is there.
    fn args(&mut self, place: Place) -> Parse<Option<S::Box<Args<'t, S>>>> {
        let turbofish = self.sees(*b"::") && self.code_at(2) == b'<';
        let args = if turbofish || (place == Place::Type && self.code() == b'<') {
            if turbofish {
                self.take_two(*b"::");
            }
            self.bump();
            Args::Angle(self.deeper(|parser| parser.commas(b'>', Self::arg))?)
        } else if place == Place::Type && self.code() == b'(' {
            self.bump();
            let inputs = self.deeper(|parser| parser.commas(b')', Self::type_))?;
            Args::Call(inputs, self.output(false)?)
        } else {
            return Ok(None);
        };
        Ok(Some(self.boxed(args)))
    }

    fn arg(&mut self) -> Parse<Arg<'t, S>> {
        if let Some(name) = self.text_if(LIFETIME) {
            return Ok(Arg::Lifetime(name));
        }
        if matches!(self.code(), NUMBER | STR | CHAR | b'-' | b'{') {
            return self.unary(true).map(Arg::Value);
        }
        let of = self.type_()?;
        if self.code() == b'=' && !self.sees(*b"==") {
            self.bump();
            let name = self.boxed(of);
            let to = match self.code() {
                NUMBER | STR | CHAR | b'{' | b'-' => Type::Value(self.argument_value()?),
                _ => self.type_()?,
            };
            return Ok(Arg::Binds(name, self.boxed(to)));
        }
        if self.code() == b':' && !self.sees(*b"::") {
            self.bump();
            let name = self.boxed(of);
            return Ok(Arg::Bounded(name, self.bounds()?));
        }
        Ok(Arg::Type(of))
    }

    fn argument_value(&mut self) -> Parse<S::Box<Expr<'t, S>>> {
        let value = self.unary(true)?;
        Ok(self.boxed(value))
    }

    // ---- types ----------------------------------------------------------------------------------

    /// Reads `-> T`, if it is there.
    pub(super) fn output(&mut self, with_bounds: bool) -> Parse<Option<Type<'t, S>>> {
        if !self.take_two(*b"->") {
            return Ok(None);
        }
        let of = if with_bounds { self.type_()? } else { self.type_without_plus()? };
        Ok(Some(of))
    }

    pub(super) fn type_(&mut self) -> Parse<Type<'t, S>> {
        self.deeper(|parser| parser.type_here(true))
    }

    /// A type after `&` or `->`, where `+` belongs to what is outside.
    pub(super) fn type_without_plus(&mut self) -> Parse<Type<'t, S>> {
        self.deeper(|parser| parser.type_here(false))
    }

    fn type_here(&mut self, plus: bool) -> Parse<Type<'t, S>> {
        let code = self.code();
        Ok(match code {
            b'&' => {
                self.bump();
                let lifetime = self.text_if(LIFETIME);
                let exclusive = self.take(MUT);
                let to = self.type_without_plus()?;
                Type::Ref(lifetime, exclusive, self.boxed(to))
            }
            b'*' => {
                self.bump();
                let exclusive = self.take(MUT);
                if !exclusive {
                    self.expect(CONST)?;
                }
                let to = self.type_without_plus()?;
                Type::Pointer(exclusive, self.boxed(to))
            }
            b'[' => {
                self.bump();
                let of = self.type_()?;
                let of = self.boxed(of);
                if self.take(b';') {
                    let len = self.expression()?;
                    self.expect(b']')?;
                    Type::Array(of, self.boxed(len))
                } else {
                    self.expect(b']')?;
                    Type::Slice(of)
                }
            }
            b'(' => {
                self.bump();
                Type::Tuple(self.commas(b')', Self::type_)?)
            }
            b'!' => {
                self.bump();
                Type::Mark(b'!')
            }
            DYN | IMPL => {
                self.bump();
                let bounds = if plus { self.bounds()? } else { self.bound_alone()? };
                Type::Bounds(code, bounds)
            }
            FN | UNSAFE | EXTERN => self.function_type()?,
            FOR => {
                let from = self.at();
                self.binder()?;
                if matches!(self.code(), FN | UNSAFE | EXTERN) {
                    self.function_type()?
                } else {
                    self.go_back(from);
                    Type::Bounds(FOR, self.bounds()?)
                }
            }
            b'?' | LIFETIME => Type::Bounds(b'?', self.bounds()?),
            NAME if self.token().text == "_" => {
                self.bump();
                Type::Mark(b'_')
            }
            NAME | b':' | b'<' => {
                let path = self.path(Place::Type)?;
                if self.code() == b'!' {
                    Type::Macro(self.call(path)?)
                } else if plus && self.code() == b'+' {
                    // A trait object of old, `Trait + Send`.
                    let none = self.none();
                    let first = Bound::Trait(b' ', none, path);
                    Type::Bounds(b'+', self.bounds_after(first)?)
                } else {
                    Type::Path(path)
                }
            }
            _ => return Err(Fault),
        })
    }

    fn function_type(&mut self) -> Parse<Type<'t, S>> {
        self.take(UNSAFE);
        if self.take(EXTERN) {
            self.take(STR);
        }
        self.expect(FN)?;
        self.expect(b'(')?;
        let inputs = self.commas(b')', |parser| {
            let attrs = parser.attributes()?;
            if parser.take_two(*b"..") {
                parser.expect(b'.')?;
                return Ok(Param { attrs, pattern: None, of: None });
            }
            let named = parser.code() == NAME && parser.code_at(1) == b':';
            let mut pattern = None;
            if named && !parser.joins_colon(1) {
                pattern = Some(parser.pattern()?);
                parser.expect(b':')?;
            }
            Ok(Param { attrs, pattern, of: Some(parser.type_()?) })
        })?;
        let output = self.output(false)?.map(|output| self.boxed(output));
        Ok(Type::Function(inputs, output))
    }

    // ---- bounds and generics --------------------------------------------------------------------

    /// Reads bounds with `+` between them; there may be none.
    pub(super) fn bounds(&mut self) -> Parse<S::List<Bound<'t, S>>> {
        let mut first = true;
        self.list(|parser| {
            if !first && !parser.take(b'+') {
                return Ok(None);
            }
            first = false;
            parser.bound()
        })
    }

    fn bounds_after(&mut self, first: Bound<'t, S>) -> Parse<S::List<Bound<'t, S>>> {
        self.list_from(first, |parser| if parser.take(b'+') { parser.bound() } else { Ok(None) })
    }

    fn bound_alone(&mut self) -> Parse<S::List<Bound<'t, S>>> {
        let bound = self.bound()?.ok_or(Fault)?;
        self.list_from(bound, |_| Ok(None))
    }

    fn bound(&mut self) -> Parse<Option<Bound<'t, S>>> {
        if let Some(name) = self.text_if(LIFETIME) {
            return Ok(Some(Bound::Lifetime(name)));
        }
        if self.take(USE) {
            self.expect(b'<')?;
            return Ok(Some(Bound::Captures(self.commas(b'>', Self::arg)?)));
        }
        let code = self.code();
        if code == b'(' {
            self.bump();
            let bound = self.deeper(Self::bound)?;
            self.expect(b')')?;
            return Ok(bound);
        }
        if !matches!(code, b'?' | b'~' | b':' | b'<' | FOR | NAME | CONST | b'[') {
            return Ok(None);
        }
        let mut mark = b' ';
        if matches!(code, b'?' | b'~' | b'[') {
            mark = code;
            self.bump();
        }
        if self.take(CONST) && code == b'[' {
            self.expect(b']')?;
        }
        let binder = self.binder()?;
        let path = self.deeper(|parser| parser.path(Place::Type))?;
        Ok(Some(Bound::Trait(mark, binder, path)))
    }

    /// Reads `for<'a>`, if it is there.
    fn binder(&mut self) -> Parse<S::List<Generic<'t, S>>> {
        if self.take(FOR) {
            self.expect(b'<')?;
            self.commas(b'>', Self::generic)
        } else {
            Ok(self.none())
        }
    }

    fn generic(&mut self) -> Parse<Generic<'t, S>> {
        self.attributes()?;
        if let Some(name) = self.text_if(LIFETIME) {
            let bounds = if self.take(b':') { self.bounds()? } else { self.none() };
            return Ok(Generic::Lifetime(name, bounds));
        }
        if self.take(CONST) {
            let name = self.name()?;
            self.expect(b':')?;
            let of = self.type_()?;
            let of = self.boxed(of);
            let default = if self.take(b'=') { Some(self.unary(false)?) } else { None };
            return Ok(Generic::Const(name, of, default.map(|default| self.boxed(default))));
        }
        let name = self.name()?;
        let bounds = if self.take(b':') { self.bounds()? } else { self.none() };
        let default = if self.take(b'=') { Some(self.type_()?) } else { None };
        Ok(Generic::Type(name, bounds, default.map(|default| self.boxed(default))))
    }

    /// Reads `<…>` after a name, if it is there.
    pub(super) fn generic_params(&mut self) -> Parse<Option<S::List<Generic<'t, S>>>> {
        if self.take(b'<') { self.commas(b'>', Self::generic).map(Some) } else { Ok(None) }
    }

    /// Reads a where clause, if it is there, and joins it to the parameters.
    pub(super) fn generics(
        &mut self,
        params: Option<S::List<Generic<'t, S>>>,
    ) -> Parse<Option<S::Box<Generics<'t, S>>>> {
        let has_wheres = self.take(WHERE);
        if params.is_none() && !has_wheres {
            return Ok(None);
        }
        let params = match params {
            Some(params) => params,
            None => self.none(),
        };
        let wheres = self.list(|parser| {
            if !has_wheres || matches!(parser.code(), b'{' | b';' | b'=' | END) {
                return Ok(None);
            }
            let predicate = if let Some(name) = parser.text_if(LIFETIME) {
                parser.expect(b':')?;
                Where::Lifetime(name, parser.bounds()?)
            } else {
                let binder = parser.binder()?;
                let of = parser.type_()?;
                parser.expect(b':')?;
                Where::Type(binder, of, parser.bounds()?)
            };
            if !parser.take(b',') && !matches!(parser.code(), b'{' | b';' | b'=') {
                return Err(Fault);
            }
            Ok(Some(predicate))
        })?;
        Ok(Some(self.boxed(Generics { params, wheres })))
    }

    // ---- patterns -------------------------------------------------------------------------------

    /// Whether the token after `skip` others is the first of `::`.
    pub(super) fn joins_colon(&self, skip: usize) -> bool {
        self.code_at(skip) == b':' && self.code_at(skip + 1) == b':'
    }

    /// Reads a pattern with its alternatives.
    pub(super) fn pattern(&mut self) -> Parse<Pattern<'t, S>> {
        self.take(b'|');
        let first = self.pattern_alone()?;
        if self.code() != b'|' || self.sees(*b"||") {
            return Ok(first);
        }
        let parts = self.list_from(first, |parser| {
            if parser.take(b'|') { parser.pattern_alone().map(Some) } else { Ok(None) }
        })?;
        Ok(Pattern::Or(parts))
    }

    /// Reads a pattern without alternatives, as closures take them.
    pub(super) fn pattern_alone(&mut self) -> Parse<Pattern<'t, S>> {
        self.deeper(Self::pattern_here)
    }

    fn pattern_here(&mut self) -> Parse<Pattern<'t, S>> {
        let token = self.token();
        Ok(match token.code {
            NAME if token.text == "_" => {
                self.bump();
                Pattern::Mark(b'_')
            }
            b'&' => {
                self.bump();
                let exclusive = self.take(MUT);
                let to = self.pattern_alone()?;
                Pattern::Ref(exclusive, self.boxed(to))
            }
            b'(' => {
                self.bump();
                Pattern::Tuple(None, self.commas(b')', Self::pattern)?)
            }
            b'[' => {
                self.bump();
                Pattern::Slice(self.commas(b']', Self::pattern)?)
            }
            b'.' if self.sees(*b"..") => {
                self.take_two(*b"..");
                let closed = !self.sees(*b"=>") && self.take(b'=');
                if closed || matches!(self.code(), NUMBER | CHAR | b'-') {
                    let to = self.range_end()?;
                    Pattern::Range(None, to)
                } else {
                    Pattern::Mark(b'.')
                }
            }
            MUT | REF => {
                self.bump();
                let flags = u8::from(token.code == REF) | u8::from(self.take(MUT)) << 1;
                self.binding(flags)?
            }
            NUMBER | STR | CHAR | b'-' => {
                let value = self.pattern_value()?;
                self.maybe_range(value)?
            }
            CONST => {
                self.bump();
                let block = self.block()?;
                let block = self.boxed(block);
                let what = What::Block(8, None, block);
                let value = self.boxed(Expr { start: token.start, what });
                Pattern::Value(value)
            }
            NAME if !matches!(self.code_at(1), b'(' | b'{' | b'!' | b'<' | b'.')
                && !self.joins_colon(1) =>
            {
                self.binding(0)?
            }
            NAME | b':' | b'<' => {
                let path = self.path(Place::Value)?;
                match self.code() {
                    b'!' => Pattern::Macro(self.call(path)?),
                    b'(' => {
                        self.bump();
                        let path = self.boxed(path);
                        Pattern::Tuple(Some(path), self.commas(b')', Self::pattern)?)
                    }
                    b'{' => {
                        self.bump();
                        let path = self.boxed(path);
                        Pattern::Struct(path, self.commas(b'}', Self::field_pattern)?)
                    }
                    b'.' if self.sees(*b"..") => {
                        let what = What::Path(path);
                        self.maybe_range(Expr { start: token.start, what })?
                    }
                    _ => Pattern::Path(path),
                }
            }
            _ => return Err(Fault),
        })
    }

    fn binding(&mut self, flags: u8) -> Parse<Pattern<'t, S>> {
        let name = self.name()?;
        let to = if self.take(b'@') { Some(self.pattern_alone()?) } else { None };
        Ok(Pattern::Bind(flags, name, to.map(|to| self.boxed(to))))
    }

    fn field_pattern(&mut self) -> Parse<FieldPattern<'t, S>> {
        let attrs = self.attributes()?;
        if self.take_two(*b"..") {
            return Ok(FieldPattern::Rest());
        }
        let named = matches!(self.code(), NAME | NUMBER) && self.code_at(1) == b':';
        if !named {
            return self.pattern_alone().map(FieldPattern::Short);
        }
        let token = self.bump();
        let name = self.store.text(token.text);
        self.bump();
        Ok(FieldPattern::Named(attrs, name, Some(self.pattern()?)))
    }

    /// Reads a literal or a path: what a pattern may compare with.
    fn pattern_value(&mut self) -> Parse<Expr<'t, S>> {
        match self.code() {
            NUMBER | STR | CHAR | b'-' => self.unary(false),
            _ => {
                let start = self.token().start;
                let path = self.path(Place::Value)?;
                Ok(Expr { start, what: What::Path(path) })
            }
        }
    }

    fn range_end(&mut self) -> Parse<Option<S::Box<Expr<'t, S>>>> {
        if !matches!(self.code(), NUMBER | STR | CHAR | b'-' | NAME | b':' | b'<') {
            return Ok(None);
        }
        let value = self.pattern_value()?;
        Ok(Some(self.boxed(value)))
    }

    fn maybe_range(&mut self, from: Expr<'t, S>) -> Parse<Pattern<'t, S>> {
        let from = self.boxed(from);
        if !self.take_two(*b"..") {
            return Ok(Pattern::Value(from));
        }
        // `..=`, or `...` as of old.
        if self.sees(*b"=>") || !self.take(b'=') {
            self.take(b'.');
        }
        // `X.. if guard`: the keyword is no name, so nothing is read.
        Ok(Pattern::Range(Some(from), self.range_end()?))
    }
}
