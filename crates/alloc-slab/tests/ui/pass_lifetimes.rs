//! What must compile: values that borrow what dies with the slab, covariance, nested brands.
use alloc_slab::{Iter, Key, Slab};

fn shorter<'a>(slab: Slab<&'static str>, _text: &'a str) -> Slab<&'a str> {
    slab
}

fn shorter_iter<'a, 'b>(iter: Iter<'a, &'static str>, _text: &'b str) -> Iter<'a, &'b str>
where
    'b: 'a,
{
    iter
}

fn main() {
    let (mut cycle, text);
    text = String::from("text");
    cycle = Slab::new();
    cycle.insert(text.as_str());

    let mut words = Slab::new();
    let key: Key<&str> = words.insert("static");
    assert_eq!(shorter_iter(words.iter(), &text).count(), 1);
    let mut words = shorter(words, &text);
    assert_eq!(words.remove(key), Some("static"));

    let (mut a, mut b) = (Slab::new(), Slab::new());
    a.branded(|mut a| {
        let one = a.insert(1);
        b.branded(|mut b| {
            let two = b.insert(2);
            assert_eq!(a[one] + b[two], 3);
        });
    });
}
