//! Expressions, blocks and statements.

use super::parser::{Fault, Parse, Parser};
use super::tokens::*;
use super::tree::*;
use super::types::Place;

/// How tightly operators bind, loosest first.
mod binding {
    pub(super) const ASSIGN: u8 = 1;
    pub(super) const RANGE: u8 = 2;
    pub(super) const OR: u8 = 3;
    pub(super) const AND: u8 = 4;
    pub(super) const COMPARE: u8 = 5;
    pub(super) const BIT_OR: u8 = 6;
    pub(super) const BIT_XOR: u8 = 7;
    pub(super) const BIT_AND: u8 = 8;
    pub(super) const SHIFT: u8 = 9;
    pub(super) const SUM: u8 = 10;
    pub(super) const PRODUCT: u8 = 11;
    pub(super) const CAST: u8 = 12;
}

/// A binary operator as its marks say: the first, whether it is doubled, whether `=` follows.
struct Operator {
    code: u8,
    equals: bool,
    binding: u8,
    marks: usize,
}

/// What [`What::Block`] and [`Closure`] say of themselves.
mod flag {
    pub(super) const UNSAFE: u8 = 1;
    pub(super) const ASYNC: u8 = 2;
    pub(super) const MOVE: u8 = 4;
    pub(super) const CONST: u8 = 8;
    pub(super) const STATIC: u8 = 16;
}

const DOUBLED: u8 = 0x80;

impl<'t, S: Store<'t>> Parser<'_, 't, S> {
    pub(super) fn expression(&mut self) -> Parse<Expr<'t, S>> {
        self.deeper(|parser| parser.binary(0, true))
    }

    /// Reads an expression before a block: a brace ends it.
    fn head(&mut self) -> Parse<Expr<'t, S>> {
        self.deeper(|parser| parser.binary(0, false))
    }

    fn boxed_expression(&mut self) -> Parse<S::Box<Expr<'t, S>>> {
        let expr = self.expression()?;
        Ok(self.boxed(expr))
    }

    // ---- operators ------------------------------------------------------------------------------

    fn operator(&self) -> Option<Operator> {
        let first = self.token();
        let second = if first.joint { self.code_at(1) } else { END };
        let doubled = second == first.code;
        let assigns = |binding| match second {
            b'=' => Operator { code: first.code, equals: true, binding: binding::ASSIGN, marks: 2 },
            _ => Operator { code: first.code, equals: false, binding, marks: 1 },
        };
        let twice =
            |binding| Operator { code: first.code | DOUBLED, equals: false, binding, marks: 2 };
        Some(match first.code {
            b'+' | b'-' => assigns(binding::SUM),
            b'*' | b'/' | b'%' => assigns(binding::PRODUCT),
            b'^' => assigns(binding::BIT_XOR),
            b'&' if doubled => twice(binding::AND),
            b'&' => assigns(binding::BIT_AND),
            b'|' if doubled => twice(binding::OR),
            b'|' => assigns(binding::BIT_OR),
            b'<' | b'>' if doubled => {
                let operator = twice(binding::SHIFT);
                match self.code_at(2) {
                    b'=' if self.joint_at(1) => {
                        Operator { equals: true, binding: binding::ASSIGN, marks: 3, ..operator }
                    }
                    _ => operator,
                }
            }
            b'<' | b'>' => Operator { binding: binding::COMPARE, ..assigns(0) },
            b'=' if doubled => twice(binding::COMPARE),
            b'=' if second != b'>' => {
                Operator { code: b'=', equals: false, binding: binding::ASSIGN, marks: 1 }
            }
            b'!' if second == b'=' => {
                Operator { code: b'!', equals: true, binding: binding::COMPARE, marks: 2 }
            }
            b'.' if doubled => {
                let closed = self.code_at(2) == b'=' && self.joint_at(1);
                let marks = 2 + usize::from(closed);
                Operator { code: b'.', equals: closed, binding: binding::RANGE, marks }
            }
            _ => return None,
        })
    }

    fn joint_at(&self, skip: usize) -> bool {
        self.token_at(skip).joint
    }

    fn binary(&mut self, loosest: u8, structs: bool) -> Parse<Expr<'t, S>> {
        let start = self.token().start;
        let left = if self.sees(*b"..") {
            self.take_two(*b"..");
            let closed = self.take(b'=');
            let to = self.range_to(structs)?;
            Expr { start, what: What::Range(closed, None, to) }
        } else {
            self.unary(structs)?
        };
        self.climb(left, loosest, structs)
    }

    fn range_to(&mut self, structs: bool) -> Parse<Option<S::Box<Expr<'t, S>>>> {
        if !self.starts_expression(structs) {
            return Ok(None);
        }
        let to = self.binary(binding::RANGE + 1, structs)?;
        Ok(Some(self.boxed(to)))
    }

    /// Reads the operators after `left` that bind at least as tightly as `loosest`.
    fn climb(&mut self, mut left: Expr<'t, S>, loosest: u8, structs: bool) -> Parse<Expr<'t, S>> {
        loop {
            let start = left.start;
            if self.code() == AS && loosest <= binding::CAST {
                self.bump();
                let to = self.type_without_plus()?;
                let of = self.boxed(left);
                left = Expr { start, what: What::Cast(of, self.boxed(to)) };
                continue;
            }
            let Some(operator) = self.operator() else { return Ok(left) };
            if operator.binding < loosest {
                return Ok(left);
            }
            self.skip(operator.marks);
            let of = self.boxed(left);
            let what = if operator.code == b'.' {
                What::Range(operator.equals, Some(of), self.range_to(structs)?)
            } else {
                let tighter = u8::from(operator.binding != binding::ASSIGN);
                let right =
                    self.deeper(|parser| parser.binary(operator.binding + tighter, structs))?;
                What::Binary(operator.code, operator.equals, of, self.boxed(right))
            };
            left = Expr { start, what };
        }
    }

    pub(super) fn unary(&mut self, structs: bool) -> Parse<Expr<'t, S>> {
        let token = self.token();
        let what = match token.code {
            b'-' | b'!' | b'*' => {
                self.bump();
                let of = self.deeper(|parser| parser.unary(structs))?;
                What::Unary(token.code, self.boxed(of))
            }
            b'&' => {
                self.bump();
                let raw = self.sees_name("raw") && matches!(self.code_at(1), CONST | MUT);
                if raw {
                    self.skip(1);
                    self.take(CONST);
                }
                let flags = u8::from(raw) | u8::from(self.take(MUT)) << 1;
                let of = self.deeper(|parser| parser.unary(structs))?;
                What::Ref(flags, self.boxed(of))
            }
            _ => {
                let what = self.primary(structs)?;
                return self.postfix(Expr { start: token.start, what });
            }
        };
        Ok(Expr { start: token.start, what })
    }

    /// Reads calls, fields, indices and `?` after an expression.
    fn postfix(&mut self, mut of: Expr<'t, S>) -> Parse<Expr<'t, S>> {
        loop {
            let start = of.start;
            let what = match self.code() {
                b'?' => {
                    self.bump();
                    What::Try(self.boxed(of))
                }
                b'(' => {
                    self.bump();
                    let of = self.boxed(of);
                    What::Call(of, self.commas(b')', Self::argument)?)
                }
                b'[' => {
                    self.bump();
                    let of = self.boxed(of);
                    let by = self.boxed_expression()?;
                    self.expect(b']')?;
                    What::Index(of, by)
                }
                b'.' if !self.sees(*b"..") => {
                    self.bump();
                    self.member(of)?
                }
                _ => return Ok(of),
            };
            of = Expr { start, what };
        }
    }

    fn argument(&mut self) -> Parse<Expr<'t, S>> {
        self.attributes()?;
        self.expression()
    }

    fn member(&mut self, of: Expr<'t, S>) -> Parse<What<'t, S>> {
        let token = self.token();
        Ok(match token.code {
            AWAIT => {
                self.bump();
                What::Await(self.boxed(of))
            }
            NUMBER => {
                self.bump();
                What::Field(self.boxed(of), self.store.text(token.text))
            }
            NAME if self.code_at(1) == b'(' || self.joins_colon(1) => {
                let of = self.boxed(of);
                let name = self.segment(Place::Value)?;
                let name = self.boxed(name);
                self.expect(b'(')?;
                What::Method(of, name, self.commas(b')', Self::argument)?)
            }
            _ => {
                let of = self.boxed(of);
                What::Field(of, self.name()?)
            }
        })
    }

    // ---- what stands alone ----------------------------------------------------------------------

    /// Whether what comes next can begin an expression.
    fn starts_expression(&self, structs: bool) -> bool {
        match self.code() {
            b'{' => structs,
            b'.' => self.sees(*b".."),
            b'(' | b'[' | b'-' | b'!' | b'*' | b'&' | b'|' | b'<' | b'#' => true,
            b':' => self.sees(*b"::"),
            NUMBER | STR | CHAR | NAME | LIFETIME => true,
            IF | MATCH | LOOP | WHILE | FOR | UNSAFE | ASYNC | MOVE | RETURN | BREAK | CONTINUE
            | LET | CONST | STATIC => true,
            _ => false,
        }
    }

    fn primary(&mut self, structs: bool) -> Parse<What<'t, S>> {
        let token = self.token();
        Ok(match token.code {
            NUMBER | STR | CHAR => {
                self.bump();
                // `1.`, which the lexer takes for two tokens.
                if token.code == NUMBER
                    && self.code() == b'.'
                    && !matches!(self.code_at(1), b'.' | NAME | NUMBER | AWAIT)
                {
                    self.bump();
                }
                What::Literal(token.code, self.store.text(token.text))
            }
            NAME | b':' | b'<' => return self.path_or_more(structs),
            b'(' => {
                self.bump();
                return self.parenthesised();
            }
            b'[' => {
                self.bump();
                return self.array();
            }
            b'|' | MOVE | STATIC => What::Closure(self.closure(structs)?),
            ASYNC | CONST | UNSAFE => match self.after_word() {
                b'{' => {
                    self.bump();
                    let moves = if self.take(MOVE) { flag::MOVE } else { 0 };
                    let flags = moves
                        | match token.code {
                            ASYNC => flag::ASYNC,
                            CONST => flag::CONST,
                            _ => flag::UNSAFE,
                        };
                    self.block_expression(flags, None)?
                }
                _ => What::Closure(self.closure(structs)?),
            },
            b'{' => self.block_expression(0, None)?,
            LIFETIME => {
                let label = self.text_if(LIFETIME);
                self.expect(b':')?;
                self.labelled(label)?
            }
            LOOP | WHILE | FOR => self.labelled(None)?,
            IF => What::If(self.deeper(Self::if_)?),
            MATCH => {
                self.bump();
                let value = self.head()?;
                let value = self.boxed(value);
                self.expect(b'{')?;
                self.attributes()?;
                What::Match(value, self.deeper(Self::arms)?)
            }
            LET => {
                self.bump();
                let pattern = self.pattern()?;
                let pattern = self.boxed(pattern);
                self.expect(b'=')?;
                let value = self.binary(binding::COMPARE, false)?;
                What::Let(pattern, self.boxed(value))
            }
            RETURN | BREAK | CONTINUE => {
                self.bump();
                let label = if token.code == RETURN { None } else { self.text_if(LIFETIME) };
                let value = if token.code != CONTINUE && self.starts_expression(structs) {
                    let value = self.deeper(|parser| parser.binary(0, structs))?;
                    Some(self.boxed(value))
                } else {
                    None
                };
                What::Leave(token.code, label, value)
            }
            _ => return Err(Fault),
        })
    }

    /// The code after `async`, `const` or `unsafe`, and `move`.
    fn after_word(&self) -> u8 {
        match self.code_at(1) {
            MOVE => self.code_at(2),
            code => code,
        }
    }

    fn path_or_more(&mut self, structs: bool) -> Parse<What<'t, S>> {
        let path = self.path(Place::Value)?;
        match self.code() {
            b'!' if !self.sees(*b"!=") => Ok(What::Macro(self.call(path)?)),
            b'{' if structs => {
                self.bump();
                let mut base = None;
                let fields = self.commas(b'}', |parser| {
                    let attrs = parser.attributes()?;
                    if parser.take_two(*b"..") {
                        if parser.code() != b'}' {
                            base = Some(parser.expression()?);
                        }
                        let name = parser.store.text("..");
                        return Ok(FieldExpr { attrs, name, value: None });
                    }
                    let token = parser.bump();
                    if !matches!(token.code, NAME | NUMBER) {
                        return Err(Fault);
                    }
                    let name = parser.store.text(token.text);
                    let value = if parser.take(b':') { Some(parser.expression()?) } else { None };
                    Ok(FieldExpr { attrs, name, value })
                })?;
                Ok(What::Struct(self.boxed(StructExpr { path, fields, base })))
            }
            _ => Ok(What::Path(path)),
        }
    }

    fn parenthesised(&mut self) -> Parse<What<'t, S>> {
        if self.take(b')') {
            return Ok(What::Tuple(self.none()));
        }
        let first = self.argument()?;
        if self.take(b')') {
            return Ok(What::Group(self.boxed(first)));
        }
        self.expect(b',')?;
        self.rest_of_list(first, b')').map(What::Tuple)
    }

    fn array(&mut self) -> Parse<What<'t, S>> {
        if self.take(b']') {
            return Ok(What::Array(self.none()));
        }
        let first = self.argument()?;
        if self.take(b';') {
            let of = self.boxed(first);
            let len = self.boxed_expression()?;
            self.expect(b']')?;
            return Ok(What::Repeat(of, len));
        }
        if self.code() != b']' {
            self.expect(b',')?;
        }
        self.rest_of_list(first, b']').map(What::Array)
    }

    fn rest_of_list(&mut self, first: Expr<'t, S>, close: u8) -> Parse<S::List<Expr<'t, S>>> {
        let mut ended = false;
        self.list_from(first, |parser| {
            if parser.take(close) {
                return Ok(None);
            }
            if ended {
                return Err(Fault);
            }
            let part = parser.argument()?;
            ended = !parser.take(b',');
            Ok(Some(part))
        })
    }

    fn closure(&mut self, structs: bool) -> Parse<S::Box<Closure<'t, S>>> {
        let mut flags = 0;
        for (code, flag) in
            [(CONST, flag::CONST), (STATIC, flag::STATIC), (ASYNC, flag::ASYNC), (MOVE, flag::MOVE)]
        {
            flags |= if self.take(code) { flag } else { 0 };
        }
        self.expect(b'|')?;
        let params = self.commas(b'|', |parser| {
            let attrs = parser.attributes()?;
            let pattern = Some(parser.pattern_alone()?);
            let of = if parser.take(b':') { Some(parser.type_()?) } else { None };
            Ok(Param { attrs, pattern, of })
        })?;
        let output = self.output(false)?;
        let body = self.deeper(|parser| parser.binary(0, structs))?;
        Ok(self.boxed(Closure { flags, params, output, body }))
    }

    fn if_(&mut self) -> Parse<S::Box<IfExpr<'t, S>>> {
        self.expect(IF)?;
        let condition = self.head()?;
        let then = self.block()?;
        let mut otherwise = None;
        if self.take(ELSE) {
            let start = self.token().start;
            let what = match self.code() {
                IF => What::If(self.deeper(Self::if_)?),
                _ => self.block_expression(0, None)?,
            };
            otherwise = Some(Expr { start, what });
        }
        Ok(self.boxed(IfExpr { condition, then, otherwise }))
    }

    fn arms(&mut self) -> Parse<S::List<Arm<'t, S>>> {
        self.list(|parser| {
            if parser.take(b'}') {
                return Ok(None);
            }
            let attrs = parser.attributes()?;
            let pattern = parser.pattern()?;
            let guard = if parser.take(IF) { Some(parser.boxed_expression()?) } else { None };
            if !parser.take_two(*b"=>") {
                return Err(Fault);
            }
            let body = parser.arm_body()?;
            Ok(Some(Arm { attrs, pattern, guard, body }))
        })
    }

    /// Reads what follows `=>`: a block ends an arm without a comma.
    fn arm_body(&mut self) -> Parse<Expr<'t, S>> {
        let start = self.token().start;
        self.attributes()?;
        if self.code() == b'{' {
            let what = self.block_expression(0, None)?;
            let block = Expr { start, what };
            if self.take(b',') || !self.goes_on() {
                return Ok(block);
            }
            let left = self.postfix(block)?;
            let body = self.climb(left, 0, true)?;
            return if self.take(b',') || self.code() == b'}' { Ok(body) } else { Err(Fault) };
        }
        let body = self.expression()?;
        let ended = self.take(b',') || self.code() == b'}' || self.is_block_like(&body.what);
        if ended { Ok(body) } else { Err(Fault) }
    }

    /// Whether a method call or `?` follows a block.
    fn goes_on(&self) -> bool {
        self.code() == b'?' || (self.code() == b'.' && !self.sees(*b".."))
    }

    fn labelled(&mut self, label: Option<S::Text>) -> Parse<What<'t, S>> {
        match self.code() {
            LOOP => {
                self.bump();
                let block = self.block()?;
                Ok(What::Loop(label, self.boxed(block)))
            }
            WHILE => {
                self.bump();
                let over = self.head()?;
                let block = self.block()?;
                Ok(What::While(self.boxed(LoopExpr { label, over, block })))
            }
            FOR => {
                self.bump();
                let pattern = self.pattern()?;
                let pattern = self.boxed(pattern);
                self.expect(IN)?;
                let over = self.head()?;
                let block = self.block()?;
                Ok(What::For(pattern, self.boxed(LoopExpr { label, over, block })))
            }
            _ => self.block_expression(0, label),
        }
    }

    // ---- blocks and statements ------------------------------------------------------------------

    fn block_expression(&mut self, flags: u8, label: Option<S::Text>) -> Parse<What<'t, S>> {
        let block = self.block()?;
        Ok(What::Block(flags, label, self.boxed(block)))
    }

    pub(super) fn block(&mut self) -> Parse<Block<'t, S>> {
        self.expect(b'{')?;
        let statements = self.deeper(|parser| parser.list(Self::statement))?;
        Ok(Block { statements })
    }

    fn statement(&mut self) -> Parse<Option<Statement<'t, S>>> {
        while self.take(b';') {}
        if self.take(b'}') {
            return Ok(None);
        }
        if self.is_item(self.after_attributes()) {
            let item = self.item()?;
            return Ok(Some(Statement::Item(self.boxed(item))));
        }
        let attrs = self.attributes()?;
        if self.take(b'}') {
            return Ok(None);
        }
        if self.take(LET) {
            return self.let_(attrs).map(Some);
        }
        let start = self.token().start;
        let starts_block = matches!(
            self.code(),
            b'{' | IF | MATCH | LOOP | WHILE | FOR | UNSAFE | LIFETIME | CONST | ASYNC | NAME
        );
        let mut value = if starts_block {
            Expr { start, what: self.primary(true)? }
        } else {
            self.expression()?
        };
        if starts_block && (self.goes_on() || !self.is_block_like(&value.what)) {
            value = self.postfix(value)?;
            value = self.climb(value, 0, true)?;
        }
        let ended = self.take(b';');
        if ended || self.code() == b'}' || self.is_block_like(&value.what) {
            return Ok(Some(Statement::Expr(attrs, value, ended)));
        }
        Err(Fault)
    }

    fn let_(&mut self, attrs: S::List<Attr<'t, S>>) -> Parse<Statement<'t, S>> {
        let pattern = self.pattern()?;
        let of = if self.take(b':') { Some(self.type_()?) } else { None };
        let value = if self.take(b'=') { Some(self.expression()?) } else { None };
        let otherwise = if self.take(ELSE) { Some(self.block()?) } else { None };
        let otherwise = otherwise.map(|block| self.boxed(block));
        self.expect(b';')?;
        Ok(Statement::Let(self.boxed(Let { attrs, pattern, of, value, otherwise })))
    }

    /// Whether an expression ends a statement or an arm by its brace.
    fn is_block_like(&self, what: &What<'t, S>) -> bool {
        match what {
            // Just read, so it was the last call.
            What::Macro(_) => self.last_call == b'{',
            What::Block(..)
            | What::If(..)
            | What::Match(..)
            | What::Loop(..)
            | What::While(..)
            | What::For(..) => true,
            _ => false,
        }
    }
}
