//! The evaluation: every engine runs this code, and decides where vectors live.
//!
//! Every value is a vector, a number is a vector of one, as in R. A value owns its vector or borrows
//! it from a variable or the program. Variables are nodes on the machine's stack, so nothing but
//! vectors is allocated. A vector that dies is worked on in place; what a `let` or a call returns is
//! copied if it is still borrowed.

use core::mem::MaybeUninit;
use core::ops::DerefMut;

use super::language::{Builtin, Expr, Operator, Program};

/// Where vectors come from.
pub(super) trait Memory {
    type Vector: Vector;

    /// An empty vector with room for `capacity` elements.
    fn vector(&self, capacity: usize) -> Self::Vector;
}

/// A vector: `Vec`, as far as the interpreter needs it.
pub(super) trait Vector: DerefMut<Target = [f64]> {
    /// The room behind the elements.
    fn spare(&mut self) -> &mut [MaybeUninit<f64>];

    /// Says that the first `len` elements are there.
    ///
    /// # Safety
    ///
    /// They are initialised, and there is room for them.
    unsafe fn set_len(&mut self, len: usize);

    /// Makes room for exactly `more` elements.
    fn reserve_exact(&mut self, more: usize);
}

/// What an expression gives.
pub(super) enum Value<'e, V> {
    Own(V),
    Borrowed(&'e [f64]),
}

impl<V: Vector> Value<'_, V> {
    #[inline]
    fn elements(&self) -> &[f64] {
        match self {
            Value::Own(vector) => vector,
            Value::Borrowed(vector) => vector,
        }
    }

    /// The first element.
    #[inline]
    fn number(&self) -> f64 {
        self.elements().first().copied().unwrap_or(0.0)
    }

    /// The element of a vector of one.
    #[inline]
    fn only(&self) -> Option<f64> {
        match self.elements() {
            [only] => Some(*only),
            _ => None,
        }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    fn count(&self) -> usize {
        self.number() as usize
    }
}

/// A variable and those bound before it.
pub(super) struct Variables<'e, V> {
    value: Value<'e, V>,
    before: Bound<'e, V>,
}

type Bound<'e, V> = Option<&'e Variables<'e, V>>;

/// A program at work on some memory.
pub(super) struct Interpreter<'p, M> {
    program: &'p Program,
    memory: &'p M,
}

#[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
fn float(count: usize) -> f64 {
    count as f64
}

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

impl<'p, M: Memory> Interpreter<'p, M> {
    /// Runs the program and returns the digest of what `main` gives.
    pub(super) fn run(program: &'p Program, memory: &'p M) -> u64 {
        let this = Self { program, memory };
        let value = this.eval(&program.functions[program.main], None);
        value
            .elements()
            .iter()
            .fold(1, |sum, element| crate::scenarios::programs::fold(sum, element.to_bits()))
    }

    fn eval<'e>(&self, expr: &'p Expr, bound: Bound<'e, M::Vector>) -> Value<'e, M::Vector>
    where
        'p: 'e,
    {
        match expr {
            Expr::Number(number) => Value::Borrowed(core::slice::from_ref(number)),
            Expr::Variable(place) => variable(*place, bound),
            Expr::Vector(parts) => {
                let elements = parts.iter().map(|part| self.eval(part, bound).number());
                Value::Own(self.collect(parts.len(), elements))
            }
            Expr::Operator(operator, sides) => {
                let left = self.eval(&sides[0], bound);
                let right = self.eval(&sides[1], bound);
                self.operator(*operator, left, right)
            }
            Expr::At(parts) => {
                let of = self.eval(&parts[0], bound);
                let index = self.eval(&parts[1], bound).count();
                self.number(of.elements().get(index).copied().unwrap_or(0.0))
            }
            Expr::If(parts) => {
                let holds = self.eval(&parts[0], bound).number() != 0.0;
                self.eval(&parts[if holds { 1 } else { 2 }], bound)
            }
            Expr::Let(parts) => {
                let variables = Variables { value: self.eval(&parts[0], bound), before: bound };
                self.owned(self.eval(&parts[1], Some(&variables)))
            }
            Expr::Call(function, args) => {
                self.call(&self.program.functions[*function], args, bound, None)
            }
            Expr::Builtin(builtin, args) => self.builtin(*builtin, args, bound),
        }
    }

    /// Binds the arguments one after the other, then evaluates the body.
    fn call(
        &self,
        body: &'p Expr,
        args: &'p [Expr],
        caller: Bound<'_, M::Vector>,
        callee: Bound<'_, M::Vector>,
    ) -> Value<'static, M::Vector> {
        match args.split_first() {
            None => self.owned(self.eval(body, callee)),
            Some((first, rest)) => {
                let value = self.eval(first, caller);
                self.call(body, rest, caller, Some(&Variables { value, before: callee }))
            }
        }
    }

    /// Copies what is borrowed.
    fn owned(&self, value: Value<'_, M::Vector>) -> Value<'static, M::Vector> {
        match value {
            Value::Own(vector) => Value::Own(vector),
            Value::Borrowed(vector) => Value::Own(self.copied(vector, 0)),
        }
    }

    /// A vector of one.
    fn number<'e>(&self, number: f64) -> Value<'e, M::Vector> {
        Value::Own(self.copied(core::slice::from_ref(&number), 0))
    }

    // ---- vectors --------------------------------------------------------------------------------

    /// A vector of `len` elements: as many as `elements` has.
    #[inline]
    fn collect(&self, len: usize, elements: impl Iterator<Item = f64>) -> M::Vector {
        let mut vector = self.memory.vector(len);
        let mut written = 0;
        for (place, element) in vector.spare().iter_mut().zip(elements).take(len) {
            place.write(element);
            written += 1;
        }
        // SAFETY: so many were written.
        unsafe { vector.set_len(written) };
        vector
    }

    /// A copy with room for `more` elements.
    fn copied(&self, elements: &[f64], more: usize) -> M::Vector {
        let mut vector = self.memory.vector(elements.len() + more);
        append(&mut vector, elements);
        vector
    }

    /// `f` of each element.
    #[inline]
    fn map<'e>(&self, of: Value<'_, M::Vector>, f: impl Fn(f64) -> f64) -> Value<'e, M::Vector> {
        match of {
            Value::Own(mut vector) => {
                vector.iter_mut().for_each(|element| *element = f(*element));
                Value::Own(vector)
            }
            Value::Borrowed(vector) => {
                Value::Own(self.collect(vector.len(), vector.iter().map(|&element| f(element))))
            }
        }
    }

    /// `f` of the elements of both, side by side; into a vector that dies, if there is one.
    #[inline]
    fn zip<'e>(
        &self,
        left: Value<'_, M::Vector>,
        right: Value<'_, M::Vector>,
        f: impl Fn(f64, f64) -> f64,
    ) -> Value<'e, M::Vector> {
        let dying = matches!(left, Value::Own(_));
        match (left.only(), right.only()) {
            (Some(left), Some(_)) if !dying => return self.map(right, |right| f(left, right)),
            (_, Some(right)) => return self.map(left, |left| f(left, right)),
            (Some(left), None) => return self.map(right, |right| f(left, right)),
            (None, None) => {}
        }
        match (left, right) {
            (Value::Own(mut left), right) => {
                let right = right.elements();
                let len = left.len().min(right.len());
                left.iter_mut().zip(right).for_each(|(left, right)| *left = f(*left, *right));
                truncate(&mut left, len);
                Value::Own(left)
            }
            (Value::Borrowed(left), Value::Own(mut right)) => {
                let len = left.len().min(right.len());
                right.iter_mut().zip(left).for_each(|(right, left)| *right = f(*left, *right));
                truncate(&mut right, len);
                Value::Own(right)
            }
            (Value::Borrowed(left), Value::Borrowed(right)) => {
                let len = left.len().min(right.len());
                let elements = left.iter().zip(right).map(|(&left, &right)| f(left, right));
                Value::Own(self.collect(len, elements))
            }
        }
    }

    fn operator<'e>(
        &self,
        operator: Operator,
        left: Value<'_, M::Vector>,
        right: Value<'_, M::Vector>,
    ) -> Value<'e, M::Vector> {
        match operator {
            Operator::Plus => self.zip(left, right, |left, right| left + right),
            Operator::Minus => self.zip(left, right, |left, right| left - right),
            Operator::Times => self.zip(left, right, |left, right| left * right),
            Operator::Over => self.zip(left, right, |left, right| left / right),
            Operator::Rest => self.zip(left, right, |left, right| left % right),
            Operator::Less => self.zip(left, right, |left, right| truth(left < right)),
            Operator::Greater => self.zip(left, right, |left, right| truth(left > right)),
            Operator::AtLeast => self.zip(left, right, |left, right| truth(left >= right)),
            Operator::Equal => self.zip(left, right, |left, right| truth(left == right)),
            Operator::Join => {
                let tail = right.elements();
                let mut vector = match left {
                    Value::Own(vector) => vector,
                    left => self.copied(left.elements(), tail.len()),
                };
                vector.reserve_exact(tail.len());
                append(&mut vector, tail);
                Value::Own(vector)
            }
        }
    }

    /// The elements for which `keeps` holds; in place if the vector dies.
    fn filter<'e>(
        &self,
        of: Value<'_, M::Vector>,
        keeps: impl Fn(usize) -> bool,
    ) -> Value<'e, M::Vector> {
        let kept = |len: usize| (0..len).filter(|&index| keeps(index));
        let mut vector = match of {
            Value::Own(vector) => vector,
            of => {
                let elements = of.elements();
                let len = kept(elements.len()).count();
                let elements = kept(elements.len()).map(|index| elements[index]);
                return Value::Own(self.collect(len, elements));
            }
        };
        let mut len = 0;
        for index in kept(vector.len()) {
            vector[len] = vector[index];
            len += 1;
        }
        truncate(&mut vector, len);
        Value::Own(vector)
    }

    fn builtin<'e>(
        &self,
        builtin: Builtin,
        args: &'p [Expr],
        bound: Bound<'e, M::Vector>,
    ) -> Value<'e, M::Vector>
    where
        'p: 'e,
    {
        let of = self.eval(&args[0], bound);
        let second = || self.eval(&args[1], bound);
        match builtin {
            Builtin::Len => self.number(float(of.elements().len())),
            Builtin::Sum => self.number(of.elements().iter().sum()),
            Builtin::Iota => {
                let len = of.count();
                Value::Own(self.collect(len, (0..len).map(float)))
            }
            Builtin::Abs => self.map(of, f64::abs),
            Builtin::Floor => self.map(of, f64::floor),
            Builtin::Sin => self.map(of, f64::sin),
            Builtin::Cos => self.map(of, f64::cos),
            Builtin::Evens => self.filter(of, |index| index.is_multiple_of(2)),
            Builtin::Odds => self.filter(of, |index| !index.is_multiple_of(2)),
            Builtin::Keep => {
                let mask = second();
                let mask = mask.elements();
                self.filter(of, |index| mask.get(index).is_some_and(|&keep| keep != 0.0))
            }
            Builtin::Take => {
                let len = second().count().min(of.elements().len());
                match of {
                    Value::Own(mut vector) => {
                        truncate(&mut vector, len);
                        Value::Own(vector)
                    }
                    Value::Borrowed(vector) => Value::Borrowed(&vector[..len]),
                }
            }
            Builtin::Drop => {
                let from = second().count().min(of.elements().len());
                match of {
                    Value::Own(mut vector) => {
                        let len = vector.len() - from;
                        vector.copy_within(from.., 0);
                        truncate(&mut vector, len);
                        Value::Own(vector)
                    }
                    Value::Borrowed(vector) => Value::Borrowed(&vector[from..]),
                }
            }
            Builtin::Rotate => {
                let by = second().count();
                let mut vector = match of {
                    Value::Own(vector) => vector,
                    of => self.copied(of.elements(), 0),
                };
                let len = vector.len().max(1);
                vector.rotate_left(by % len);
                Value::Own(vector)
            }
            Builtin::Convolve => {
                let with = second();
                let (left, right) = (of.elements(), with.elements());
                let len = left.len() + right.len();
                let mut product = self.collect(len, core::iter::repeat_n(0.0, len));
                for (at, left) in left.iter().enumerate() {
                    for (place, right) in product[at..].iter_mut().zip(right) {
                        *place += left * right;
                    }
                }
                Value::Own(product)
            }
        }
    }
}

/// Borrows a variable.
fn variable<'e, V: Vector>(place: usize, bound: Bound<'e, V>) -> Value<'e, V> {
    let mut at = bound;
    for _ in 0..place {
        at = at.and_then(|variables| variables.before);
    }
    match at.map(|variables| &variables.value) {
        Some(Value::Own(vector)) => Value::Borrowed(vector),
        Some(Value::Borrowed(vector)) => Value::Borrowed(vector),
        None => unreachable!("the parser bound every variable"),
    }
}

/// Appends to a vector that has the room.
#[inline]
fn append<V: Vector>(vector: &mut V, elements: &[f64]) {
    let len = vector.len();
    vector.spare()[..elements.len()].write_copy_of_slice(elements);
    // SAFETY: these were there, and so many were written behind them.
    unsafe { vector.set_len(len + elements.len()) };
}

#[inline]
fn truncate<V: Vector>(vector: &mut V, len: usize) {
    let len = len.min(vector.len());
    // SAFETY: no more than there are, and numbers need no drop.
    unsafe { vector.set_len(len) };
}
