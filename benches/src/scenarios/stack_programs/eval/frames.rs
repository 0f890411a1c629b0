//! The evaluation in frames: how one writes it for a stack allocator.
//!
//! ```text
//!   eval(expr, out, tmp)     operands go to a frame of `tmp`, the result goes to `out`
//!     eval(left, tmp, out)   and for the operands the two change places
//! ```
//!
//! Each call opens a frame on the stack that its result does not go to, and ends it when the result
//! is there. So everything dies exactly in reverse, and nothing is given back one by one.

use core::slice::from_ref;

use super::language::{Builtin, Expr, Operator, Program};
use super::nest::Nest;
use crate::scenarios::programs::fold;

/// A variable and those bound before it.
#[derive(Clone, Copy)]
struct Variables<'e> {
    value: &'e [f64],
    before: Bound<'e>,
}

type Bound<'e> = Option<&'e Variables<'e>>;

/// Runs the program and returns the digest of what `main` gives.
pub(super) fn run<N: Nest>(program: &Program, keep: &mut N::Keep) -> u64 {
    let main = &program.functions[program.main];
    N::lend(keep, |out, tmp| {
        let value = eval::<N>(program, main, None, out, tmp);
        value.iter().fold(1, |sum, element| fold(sum, element.to_bits()))
    })
}

/// Evaluates into `out`, with `tmp` for what is needed on the way.
fn eval<'o, N: Nest>(
    program: &Program,
    expr: &Expr,
    bound: Bound<'_>,
    out: &mut N::Scope<'o>,
    tmp: &mut N::Scope<'_>,
) -> &'o [f64] {
    match expr {
        Expr::Number(number) => N::copied(out, from_ref(number)),
        Expr::Variable(place) => N::copied(out, variable(*place, bound)),
        Expr::If(parts) => {
            let holds = {
                let mut frame = N::frame(tmp);
                let truth = operand::<N>(program, &parts[0], bound, &mut N::scope(&mut frame), out);
                number(truth) != 0.0
            };
            eval::<N>(program, &parts[if holds { 1 } else { 2 }], bound, out, tmp)
        }
        Expr::Let(parts) => {
            let mut frame = N::frame(tmp);
            let mut tmp = N::scope(&mut frame);
            let value = operand::<N>(program, &parts[0], bound, &mut tmp, out);
            let variables = Variables { value, before: bound };
            eval::<N>(program, &parts[1], Some(&variables), out, &mut tmp)
        }
        Expr::Call(function, args) => {
            let mut frame = N::frame(tmp);
            let body = &program.functions[*function];
            call::<N>(program, body, args, (bound, None), out, &mut N::scope(&mut frame))
        }
        Expr::Vector(parts) => {
            let mut frame = N::frame(tmp);
            let mut tmp = N::scope(&mut frame);
            let elements = N::filled(&tmp, parts.len(), |_| 0.0);
            for (element, part) in elements.iter_mut().zip(parts) {
                let mut frame = N::frame(&mut tmp);
                *element =
                    number(operand::<N>(program, part, bound, &mut N::scope(&mut frame), out));
            }
            N::copied(out, elements)
        }
        Expr::Operator(operator, sides) => {
            let mut frame = N::frame(tmp);
            let mut tmp = N::scope(&mut frame);
            let left = operand::<N>(program, &sides[0], bound, &mut tmp, out);
            let right = operand::<N>(program, &sides[1], bound, &mut tmp, out);
            operate::<N>(*operator, left, right, out)
        }
        Expr::At(parts) => {
            let mut frame = N::frame(tmp);
            let mut tmp = N::scope(&mut frame);
            let of = operand::<N>(program, &parts[0], bound, &mut tmp, out);
            let index = operand::<N>(program, &parts[1], bound, &mut tmp, out);
            let element = of.get(count(index)).copied().unwrap_or(0.0);
            N::copied(out, &[element])
        }
        Expr::Builtin(builtin, args) => {
            let mut frame = N::frame(tmp);
            let mut tmp = N::scope(&mut frame);
            let of = operand::<N>(program, &args[0], bound, &mut tmp, out);
            let with = match args.get(1) {
                Some(arg) => operand::<N>(program, arg, bound, &mut tmp, out),
                None => &[],
            };
            builtin_of::<N>(*builtin, of, with, out)
        }
    }
}

/// Evaluates what is only read: a variable or literal is borrowed where it is.
#[inline]
fn operand<'x, N: Nest>(
    program: &'x Program,
    expr: &'x Expr,
    bound: Bound<'x>,
    place: &mut N::Scope<'x>,
    other: &mut N::Scope<'_>,
) -> &'x [f64] {
    match expr {
        Expr::Number(number) => from_ref(number),
        Expr::Variable(place) => variable(*place, bound),
        _ => eval::<N>(program, expr, bound, place, other),
    }
}

/// Binds the arguments one after the other, then evaluates the body.
fn call<'o, 'x, N: Nest>(
    program: &'x Program,
    body: &'x Expr,
    args: &'x [Expr],
    (caller, callee): (Bound<'x>, Bound<'x>),
    out: &mut N::Scope<'o>,
    tmp: &mut N::Scope<'x>,
) -> &'o [f64] {
    match args.split_first() {
        None => eval::<N>(program, body, callee, out, tmp),
        Some((first, rest)) => {
            let value = operand::<N>(program, first, caller, tmp, out);
            let variables = N::place(tmp, Variables { value, before: callee });
            call::<N>(program, body, rest, (caller, Some(variables)), out, tmp)
        }
    }
}

fn variable<'e>(place: usize, bound: Bound<'e>) -> &'e [f64] {
    let mut at = bound;
    for _ in 0..place {
        at = at.and_then(|variables| variables.before);
    }
    at.map_or(&[], |variables| variables.value)
}

fn number(of: &[f64]) -> f64 {
    of.first().copied().unwrap_or(0.0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn count(of: &[f64]) -> usize {
    number(of) as usize
}

#[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
fn float(count: usize) -> f64 {
    count as f64
}

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

#[inline]
fn map<'o, N: Nest>(of: &[f64], out: &N::Scope<'o>, f: impl Fn(f64) -> f64) -> &'o [f64] {
    N::filled(out, of.len(), |index| f(of[index]))
}

#[inline]
fn zip<'o, N: Nest>(
    left: &[f64],
    right: &[f64],
    out: &N::Scope<'o>,
    f: impl Fn(f64, f64) -> f64,
) -> &'o [f64] {
    match (left, right) {
        (left, [right]) => map::<N>(left, out, |left| f(left, *right)),
        ([left], right) => map::<N>(right, out, |right| f(*left, right)),
        _ => {
            let len = left.len().min(right.len());
            let (left, right) = (&left[..len], &right[..len]);
            N::filled(out, len, |index| f(left[index], right[index]))
        }
    }
}

fn operate<'o, N: Nest>(
    operator: Operator,
    left: &[f64],
    right: &[f64],
    out: &N::Scope<'o>,
) -> &'o [f64] {
    match operator {
        Operator::Plus => zip::<N>(left, right, out, |left, right| left + right),
        Operator::Minus => zip::<N>(left, right, out, |left, right| left - right),
        Operator::Times => zip::<N>(left, right, out, |left, right| left * right),
        Operator::Over => zip::<N>(left, right, out, |left, right| left / right),
        Operator::Rest => zip::<N>(left, right, out, |left, right| left % right),
        Operator::Less => zip::<N>(left, right, out, |left, right| truth(left < right)),
        Operator::Greater => zip::<N>(left, right, out, |left, right| truth(left > right)),
        Operator::AtLeast => zip::<N>(left, right, out, |left, right| truth(left >= right)),
        Operator::Equal => zip::<N>(left, right, out, |left, right| truth(left == right)),
        Operator::Join => {
            let joined = N::filled(out, left.len() + right.len(), |_| 0.0);
            let (head, tail) = joined.split_at_mut(left.len());
            head.copy_from_slice(left);
            tail.copy_from_slice(right);
            joined
        }
    }
}

fn filter<'o, N: Nest>(of: &[f64], out: &N::Scope<'o>, keeps: impl Fn(usize) -> bool) -> &'o [f64] {
    let kept = N::filled(out, of.len(), |_| 0.0);
    let mut len = 0;
    for (index, &element) in of.iter().enumerate() {
        if keeps(index) {
            kept[len] = element;
            len += 1;
        }
    }
    &kept[..len]
}

fn builtin_of<'o, N: Nest>(
    builtin: Builtin,
    of: &[f64],
    with: &[f64],
    out: &N::Scope<'o>,
) -> &'o [f64] {
    match builtin {
        Builtin::Len => N::copied(out, &[float(of.len())]),
        Builtin::Sum => N::copied(out, &[of.iter().sum::<f64>()]),
        Builtin::Iota => N::filled(out, count(of), float),
        Builtin::Abs => map::<N>(of, out, f64::abs),
        Builtin::Floor => map::<N>(of, out, f64::floor),
        Builtin::Sin => map::<N>(of, out, f64::sin),
        Builtin::Cos => map::<N>(of, out, f64::cos),
        Builtin::Evens => filter::<N>(of, out, |index| index.is_multiple_of(2)),
        Builtin::Odds => filter::<N>(of, out, |index| !index.is_multiple_of(2)),
        Builtin::Keep => {
            filter::<N>(of, out, |index| with.get(index).is_some_and(|&keep| keep != 0.0))
        }
        Builtin::Take => N::copied(out, &of[..count(with).min(of.len())]),
        Builtin::Drop => N::copied(out, &of[count(with).min(of.len())..]),
        Builtin::Rotate => {
            let turned = N::copied(out, of);
            let len = turned.len().max(1);
            turned.rotate_left(count(with) % len);
            turned
        }
        Builtin::Convolve => {
            let product = N::filled(out, of.len() + with.len(), |_| 0.0);
            for (at, left) in of.iter().enumerate() {
                for (place, right) in product[at..].iter_mut().zip(with) {
                    *place += left * right;
                }
            }
            product
        }
    }
}
