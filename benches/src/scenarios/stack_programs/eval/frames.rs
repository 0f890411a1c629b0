//! The evaluation in frames: how one writes it for a stack allocator.
//!
//! ```text
//!   eval(expr, out, tmp)     operands go to a frame of `tmp`, the result goes to `out`
//!     eval(left, tmp, out)   and for the operands the two change places
//! ```
//!
//! Each call opens a frame on the stack that its result does not go to, and ends it when the result
//! is there. So everything dies exactly in reverse, and nothing is given back one by one.

use alloc_stack::{Scope, Stack};
use core::slice::from_ref;

use super::language::{Builtin, Expr, Operator, Program};
use crate::scenarios::programs::fold;

/// A variable and those bound before it.
struct Variables<'e> {
    value: &'e [f64],
    before: Bound<'e>,
}

type Bound<'e> = Option<&'e Variables<'e>>;

/// Runs the program and returns the digest of what `main` gives.
pub(super) fn run(program: &Program, stacks: &mut [Stack<8>; 2]) -> u64 {
    let [first, second] = stacks;
    let (mut out, mut tmp) = (first.frame(), second.frame());
    let main = &program.functions[program.main];
    let value = eval(program, main, None, &mut out.scope(), &mut tmp.scope());
    value.iter().fold(1, |sum, element| fold(sum, element.to_bits()))
}

/// Evaluates into `out`, with `tmp` for what is needed on the way.
fn eval<'o>(
    program: &Program,
    expr: &Expr,
    bound: Bound<'_>,
    out: &mut Scope<'o, 8>,
    tmp: &mut Scope<'_, 8>,
) -> &'o [f64] {
    match expr {
        Expr::Number(number) => out.alloc_slice_copy(from_ref(number)),
        Expr::Variable(place) => out.alloc_slice_copy(variable(*place, bound)),
        Expr::If(parts) => {
            let holds = {
                let mut frame = tmp.frame();
                let truth = operand(program, &parts[0], bound, &mut frame.scope(), out);
                number(truth) != 0.0
            };
            eval(program, &parts[if holds { 1 } else { 2 }], bound, out, tmp)
        }
        Expr::Let(parts) => {
            let mut frame = tmp.frame();
            let mut tmp = frame.scope();
            let value = operand(program, &parts[0], bound, &mut tmp, out);
            let variables = Variables { value, before: bound };
            eval(program, &parts[1], Some(&variables), out, &mut tmp)
        }
        Expr::Call(function, args) => {
            let mut frame = tmp.frame();
            let body = &program.functions[*function];
            call(program, body, args, (bound, None), out, &mut frame.scope())
        }
        Expr::Vector(parts) => {
            let mut frame = tmp.frame();
            let mut tmp = frame.scope();
            let elements = tmp.alloc_slice_fill_copy(parts.len(), 0.0);
            for (element, part) in elements.iter_mut().zip(parts) {
                let mut frame = tmp.frame();
                *element = number(operand(program, part, bound, &mut frame.scope(), out));
            }
            out.alloc_slice_copy(elements)
        }
        Expr::Operator(operator, sides) => {
            let mut frame = tmp.frame();
            let mut tmp = frame.scope();
            let left = operand(program, &sides[0], bound, &mut tmp, out);
            let right = operand(program, &sides[1], bound, &mut tmp, out);
            operate(*operator, left, right, out)
        }
        Expr::At(parts) => {
            let mut frame = tmp.frame();
            let mut tmp = frame.scope();
            let of = operand(program, &parts[0], bound, &mut tmp, out);
            let index = operand(program, &parts[1], bound, &mut tmp, out);
            let element = of.get(count(index)).copied().unwrap_or(0.0);
            out.alloc_slice_copy(&[element])
        }
        Expr::Builtin(builtin, args) => {
            let mut frame = tmp.frame();
            let mut tmp = frame.scope();
            let of = operand(program, &args[0], bound, &mut tmp, out);
            let with = match args.get(1) {
                Some(arg) => operand(program, arg, bound, &mut tmp, out),
                None => &[],
            };
            builtin_of(*builtin, of, with, out)
        }
    }
}

/// Evaluates what is only read: a variable or literal is borrowed where it is.
#[inline]
fn operand<'x>(
    program: &'x Program,
    expr: &'x Expr,
    bound: Bound<'x>,
    place: &mut Scope<'x, 8>,
    other: &mut Scope<'_, 8>,
) -> &'x [f64] {
    match expr {
        Expr::Number(number) => from_ref(number),
        Expr::Variable(place) => variable(*place, bound),
        _ => eval(program, expr, bound, place, other),
    }
}

/// Binds the arguments one after the other, then evaluates the body.
fn call<'o, 'x>(
    program: &'x Program,
    body: &'x Expr,
    args: &'x [Expr],
    (caller, callee): (Bound<'x>, Bound<'x>),
    out: &mut Scope<'o, 8>,
    tmp: &mut Scope<'x, 8>,
) -> &'o [f64] {
    match args.split_first() {
        None => eval(program, body, callee, out, tmp),
        Some((first, rest)) => {
            let value = operand(program, first, caller, tmp, out);
            let variables = tmp.alloc(Variables { value, before: callee });
            call(program, body, rest, (caller, Some(variables)), out, tmp)
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
fn map<'o>(of: &[f64], out: &Scope<'o, 8>, f: impl Fn(f64) -> f64) -> &'o [f64] {
    out.alloc_slice_fill_with(of.len(), |index| f(of[index]))
}

#[inline]
fn zip<'o>(
    left: &[f64],
    right: &[f64],
    out: &Scope<'o, 8>,
    f: impl Fn(f64, f64) -> f64,
) -> &'o [f64] {
    match (left, right) {
        (left, [right]) => map(left, out, |left| f(left, *right)),
        ([left], right) => map(right, out, |right| f(*left, right)),
        _ => {
            let len = left.len().min(right.len());
            let (left, right) = (&left[..len], &right[..len]);
            out.alloc_slice_fill_with(len, |index| f(left[index], right[index]))
        }
    }
}

fn operate<'o>(operator: Operator, left: &[f64], right: &[f64], out: &Scope<'o, 8>) -> &'o [f64] {
    match operator {
        Operator::Plus => zip(left, right, out, |left, right| left + right),
        Operator::Minus => zip(left, right, out, |left, right| left - right),
        Operator::Times => zip(left, right, out, |left, right| left * right),
        Operator::Over => zip(left, right, out, |left, right| left / right),
        Operator::Rest => zip(left, right, out, |left, right| left % right),
        Operator::Less => zip(left, right, out, |left, right| truth(left < right)),
        Operator::Greater => zip(left, right, out, |left, right| truth(left > right)),
        Operator::AtLeast => zip(left, right, out, |left, right| truth(left >= right)),
        Operator::Equal => zip(left, right, out, |left, right| truth(left == right)),
        Operator::Join => {
            let joined = out.alloc_slice_fill_copy(left.len() + right.len(), 0.0);
            let (head, tail) = joined.split_at_mut(left.len());
            head.copy_from_slice(left);
            tail.copy_from_slice(right);
            joined
        }
    }
}

fn filter<'o>(of: &[f64], out: &Scope<'o, 8>, keeps: impl Fn(usize) -> bool) -> &'o [f64] {
    let kept = out.alloc_slice_fill_copy(of.len(), 0.0);
    let mut len = 0;
    for (index, &element) in of.iter().enumerate() {
        if keeps(index) {
            kept[len] = element;
            len += 1;
        }
    }
    &kept[..len]
}

fn builtin_of<'o>(builtin: Builtin, of: &[f64], with: &[f64], out: &Scope<'o, 8>) -> &'o [f64] {
    match builtin {
        Builtin::Len => out.alloc_slice_copy(&[float(of.len())]),
        Builtin::Sum => out.alloc_slice_copy(&[of.iter().sum::<f64>()]),
        Builtin::Iota => out.alloc_slice_fill_with(count(of), float),
        Builtin::Abs => map(of, out, f64::abs),
        Builtin::Floor => map(of, out, f64::floor),
        Builtin::Sin => map(of, out, f64::sin),
        Builtin::Cos => map(of, out, f64::cos),
        Builtin::Evens => filter(of, out, |index| index.is_multiple_of(2)),
        Builtin::Odds => filter(of, out, |index| !index.is_multiple_of(2)),
        Builtin::Keep => filter(of, out, |index| with.get(index).is_some_and(|&keep| keep != 0.0)),
        Builtin::Take => out.alloc_slice_copy(&of[..count(with).min(of.len())]),
        Builtin::Drop => out.alloc_slice_copy(&of[count(with).min(of.len())..]),
        Builtin::Rotate => {
            let turned = out.alloc_slice_copy(of);
            let len = turned.len().max(1);
            turned.rotate_left(count(with) % len);
            turned
        }
        Builtin::Convolve => {
            let product = out.alloc_slice_fill_copy(of.len() + with.len(), 0.0);
            for (at, left) in of.iter().enumerate() {
                for (place, right) in product[at..].iter_mut().zip(with) {
                    *place += left * right;
                }
            }
            product
        }
    }
}
