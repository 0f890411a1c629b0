//! The tree: what a Rust source file says, in nodes whose boxes, lists and texts an engine chooses.
//!
//! It is shaped like those of `syn` and of compilers: an enum for each syntactic category, a box
//! where a category contains itself, a list where there may be many, a copied text for each name
//! and literal. What a macro is called with stays a tree of tokens.

use core::ptr::NonNull;

use typed_arena::Arena;

use super::stores::Typed;
use crate::scenarios::programs::fold;

/// What a node says, its parts included.
pub(super) trait Sum {
    fn sum(&self) -> u64;
}

/// Where the parts of nodes live.
pub(super) trait Store<'t>: Copy + 't {
    type Text: Sum;
    type Box<T: Sum + 't>: Sum;
    type List<T: Sum + 't>: Sum;

    /// Keeps a copy of a text.
    fn text(self, text: &str) -> Self::Text;

    /// Keeps a node.
    fn boxed<T: Node<'t, Self> + 't>(self, node: T) -> Self::Box<T>;

    /// Keeps `nodes[from..]`, and takes them away. So every list is built at its final length.
    fn list<T: Node<'t, Self> + 't>(self, nodes: &mut Vec<T>, from: usize) -> Self::List<T>;
}

/// A type of node of the trees in `S`.
///
/// # Safety
///
/// No other type of node of the trees in `S` is of its [`Kind`].
pub(super) unsafe trait Node<'t, S>: Sum {
    const KIND: Kind;
}

impl Sum for u8 {
    fn sum(&self) -> u64 {
        u64::from(*self)
    }
}

impl Sum for u32 {
    fn sum(&self) -> u64 {
        u64::from(*self)
    }
}

impl Sum for bool {
    fn sum(&self) -> u64 {
        u64::from(*self)
    }
}

impl<T: Sum> Sum for Option<T> {
    fn sum(&self) -> u64 {
        self.as_ref().map_or(7, Sum::sum)
    }
}

/// Folds a list as every store must.
pub(super) fn sum_list(sums: impl Iterator<Item = u64>) -> u64 {
    sums.fold(11, fold)
}

/// Declares nodes, and for each how it is summed (its variant, then its fields in order) and which
/// of the parser's stacks, if any, it waits on until its list is complete.
macro_rules! nodes {
    (@one $(#[$meta:meta])* struct $name:ident { $($field:ident: $type:ty),* }) => {
        $(#[$meta])*
        pub(super) struct $name<'t, S: Store<'t>> {
            $(pub(super) $field: $type,)*
        }

        impl<'t, S: Store<'t>> Sum for $name<'t, S> {
            fn sum(&self) -> u64 {
                let sum = 0;
                $(let sum = fold(sum, self.$field.sum());)*
                sum
            }
        }
    };
    (@one $(#[$meta:meta])* enum $name:ident {
        $($variant:ident($($field:ident: $type:ty),*)),*
    }) => {
        $(#[$meta])*
        pub(super) enum $name<'t, S: Store<'t>> {
            $($variant($($type),*),)*
        }

        impl<'t, S: Store<'t>> Sum for $name<'t, S> {
            fn sum(&self) -> u64 {
                enum Tag { $($variant),* }
                match self {
                    $(Self::$variant($($field),*) => {
                        let sum = fold(3, Tag::$variant as u64);
                        $(let sum = fold(sum, $field.sum());)*
                        sum
                    })*
                }
            }
        }
    };
    ($($(#[$meta:meta])* $kind:ident $name:ident $(in $stack:ident)? { $($body:tt)* })*) => {
        $(nodes! { @one $(#[$meta])* $kind $name { $($body)* } })*

        /// The types of nodes, by name.
        #[derive(Clone, Copy)]
        pub(super) enum Kind { $($name),* }

        $(
            // SAFETY: the kind of its name, and names are unique.
            unsafe impl<'t, S: Store<'t>> Node<'t, S> for $name<'t, S> {
                const KIND: Kind = Kind::$name;
            }
        )*

        /// An arena of typed-arena's for each type of node, and one for texts.
        #[expect(non_snake_case, reason = "fields have the names of the types they hold")]
        #[derive(Default)]
        pub(super) struct Arenas<'t> {
            pub(super) texts: Arena<u8>,
            $($name: Arena<$name<'t, Typed<'t>>>,)*
        }

        impl Arenas<'_> {
            /// Returns the arena for nodes of a kind.
            #[inline]
            pub(super) fn of(&self, kind: Kind) -> NonNull<()> {
                match kind { $(Kind::$name => NonNull::from(&self.$name).cast(),)* }
            }
        }

        /// Nodes whose list is not complete yet: the newest list of a category is at the end of
        /// its stack.
        pub(super) struct Stacks<'t, S: Store<'t>> {
            $($($stack: Vec<$name<'t, S>>,)?)*
        }

        impl<'t, S: Store<'t>> Default for Stacks<'t, S> {
            fn default() -> Self {
                Self { $($($stack: Vec::new(),)?)* }
            }
        }

        $($(impl<'t, S: Store<'t>> Stacked<'t, S> for $name<'t, S> {
            #[inline]
            fn stack<'s>(stacks: &'s mut Stacks<'t, S>) -> &'s mut Vec<Self> {
                &mut stacks.$stack
            }
        })?)*
    };
}

/// A node that can stand in a list.
pub(super) trait Stacked<'t, S: Store<'t>>: Node<'t, S> + Sized + 't {
    fn stack<'s>(stacks: &'s mut Stacks<'t, S>) -> &'s mut Vec<Self>;
}

/// Codes of tokens: see `tokens.rs`.
type Code = u8;

nodes! {
    /// A doc comment, or `#[…]`.
    enum Attr in attrs {
        Doc(text: S::Text),
        Tokens(trees: S::List<Tree<'t, S>>)
    }

    /// A token of a macro call, an attribute, or an item that could not be parsed.
    enum Tree in trees {
        Mark(code: Code),
        Word(code: Code, text: S::Text),
        Group(open: Code, trees: S::List<Tree<'t, S>>)
    }

    /// A name with generic arguments: a part of a path.
    struct Segment in segments {
        name: S::Text,
        args: Option<S::Box<Args<'t, S>>>
    }

    /// `a::b<T>::c`, with the type and trait of `<T as Trait>::c`.
    struct Path {
        segments: S::List<Segment<'t, S>>,
        qualified: Option<S::Box<Qualified<'t, S>>>
    }

    struct Qualified {
        of: Type<'t, S>,
        as_trait: Option<Path<'t, S>>
    }

    enum Args {
        Angle(args: S::List<Arg<'t, S>>),
        Call(inputs: S::List<Type<'t, S>>, output: Option<Type<'t, S>>)
    }

    enum Arg in arg {
        Lifetime(name: S::Text),
        Type(of: Type<'t, S>),
        Value(value: Expr<'t, S>),
        Binds(name: S::Box<Type<'t, S>>, to: S::Box<Type<'t, S>>),
        Bounded(name: S::Box<Type<'t, S>>, bounds: S::List<Bound<'t, S>>)
    }

    enum Type in types {
        Path(path: Path<'t, S>),
        Ref(lifetime: Option<S::Text>, exclusive: bool, to: S::Box<Type<'t, S>>),
        Pointer(exclusive: bool, to: S::Box<Type<'t, S>>),
        Slice(of: S::Box<Type<'t, S>>),
        Array(of: S::Box<Type<'t, S>>, len: S::Box<Expr<'t, S>>),
        Tuple(parts: S::List<Type<'t, S>>),
        Function(inputs: S::List<Param<'t, S>>, output: Option<S::Box<Type<'t, S>>>),
        Bounds(word: Code, bounds: S::List<Bound<'t, S>>),
        Macro(call: S::Box<Call<'t, S>>),
        Value(value: S::Box<Expr<'t, S>>),
        Mark(code: Code)
    }

    enum Bound in bounds {
        Lifetime(name: S::Text),
        Trait(mark: Code, binder: S::List<Generic<'t, S>>, path: Path<'t, S>),
        Captures(args: S::List<Arg<'t, S>>)
    }

    enum Generic in generics {
        Lifetime(name: S::Text, bounds: S::List<Bound<'t, S>>),
        Type(name: S::Text, bounds: S::List<Bound<'t, S>>, default: Option<S::Box<Type<'t, S>>>),
        Const(name: S::Text, of: S::Box<Type<'t, S>>, default: Option<S::Box<Expr<'t, S>>>)
    }

    enum Where in wheres {
        Lifetime(name: S::Text, bounds: S::List<Bound<'t, S>>),
        Type(binder: S::List<Generic<'t, S>>, of: Type<'t, S>, bounds: S::List<Bound<'t, S>>)
    }

    struct Generics {
        params: S::List<Generic<'t, S>>,
        wheres: S::List<Where<'t, S>>
    }

    /// `path!(…)`.
    struct Call {
        path: Path<'t, S>,
        name: Option<S::Text>,
        open: Code,
        trees: S::List<Tree<'t, S>>
    }

    enum Pattern in patterns {
        Bind(flags: u8, name: S::Text, to: Option<S::Box<Pattern<'t, S>>>),
        Path(path: Path<'t, S>),
        Tuple(path: Option<S::Box<Path<'t, S>>>, parts: S::List<Pattern<'t, S>>),
        Struct(path: S::Box<Path<'t, S>>, fields: S::List<FieldPattern<'t, S>>),
        Slice(parts: S::List<Pattern<'t, S>>),
        Ref(exclusive: bool, to: S::Box<Pattern<'t, S>>),
        Value(value: S::Box<Expr<'t, S>>),
        Range(from: Option<S::Box<Expr<'t, S>>>, to: Option<S::Box<Expr<'t, S>>>),
        Or(parts: S::List<Pattern<'t, S>>),
        Macro(call: S::Box<Call<'t, S>>),
        Mark(code: Code)
    }

    enum FieldPattern in field_patterns {
        Named(attrs: S::List<Attr<'t, S>>, name: S::Text, to: Option<Pattern<'t, S>>),
        Short(to: Pattern<'t, S>),
        Rest()
    }

    struct Expr in exprs {
        start: u32,
        what: What<'t, S>
    }

    enum What {
        Literal(code: Code, text: S::Text),
        Path(path: Path<'t, S>),
        Unary(operator: Code, of: S::Box<Expr<'t, S>>),
        Ref(flags: u8, of: S::Box<Expr<'t, S>>),
        Binary(operator: u8, equals: bool, left: S::Box<Expr<'t, S>>, right: S::Box<Expr<'t, S>>),
        Range(closed: bool, from: Option<S::Box<Expr<'t, S>>>, to: Option<S::Box<Expr<'t, S>>>),
        Cast(of: S::Box<Expr<'t, S>>, to: S::Box<Type<'t, S>>),
        Call(function: S::Box<Expr<'t, S>>, args: S::List<Expr<'t, S>>),
        Method(of: S::Box<Expr<'t, S>>, name: S::Box<Segment<'t, S>>, args: S::List<Expr<'t, S>>),
        Field(of: S::Box<Expr<'t, S>>, name: S::Text),
        Index(of: S::Box<Expr<'t, S>>, by: S::Box<Expr<'t, S>>),
        Try(of: S::Box<Expr<'t, S>>),
        Await(of: S::Box<Expr<'t, S>>),
        Group(of: S::Box<Expr<'t, S>>),
        Tuple(parts: S::List<Expr<'t, S>>),
        Array(parts: S::List<Expr<'t, S>>),
        Repeat(of: S::Box<Expr<'t, S>>, len: S::Box<Expr<'t, S>>),
        Struct(of: S::Box<StructExpr<'t, S>>),
        Block(flags: u8, label: Option<S::Text>, block: S::Box<Block<'t, S>>),
        If(of: S::Box<IfExpr<'t, S>>),
        Match(value: S::Box<Expr<'t, S>>, arms: S::List<Arm<'t, S>>),
        Let(pattern: S::Box<Pattern<'t, S>>, value: S::Box<Expr<'t, S>>),
        While(of: S::Box<LoopExpr<'t, S>>),
        For(pattern: S::Box<Pattern<'t, S>>, of: S::Box<LoopExpr<'t, S>>),
        Loop(label: Option<S::Text>, block: S::Box<Block<'t, S>>),
        Closure(of: S::Box<Closure<'t, S>>),
        Leave(word: Code, label: Option<S::Text>, value: Option<S::Box<Expr<'t, S>>>),
        Macro(call: S::Box<Call<'t, S>>)
    }

    struct StructExpr {
        path: Path<'t, S>,
        fields: S::List<FieldExpr<'t, S>>,
        base: Option<Expr<'t, S>>
    }

    struct FieldExpr in field_exprs {
        attrs: S::List<Attr<'t, S>>,
        name: S::Text,
        value: Option<Expr<'t, S>>
    }

    struct IfExpr {
        condition: Expr<'t, S>,
        then: Block<'t, S>,
        otherwise: Option<Expr<'t, S>>
    }

    struct LoopExpr {
        label: Option<S::Text>,
        over: Expr<'t, S>,
        block: Block<'t, S>
    }

    struct Closure {
        flags: u8,
        params: S::List<Param<'t, S>>,
        output: Option<Type<'t, S>>,
        body: Expr<'t, S>
    }

    struct Arm in arms {
        attrs: S::List<Attr<'t, S>>,
        pattern: Pattern<'t, S>,
        guard: Option<S::Box<Expr<'t, S>>>,
        body: Expr<'t, S>
    }

    struct Block {
        statements: S::List<Statement<'t, S>>
    }

    enum Statement in statements {
        Let(of: S::Box<Let<'t, S>>),
        Expr(attrs: S::List<Attr<'t, S>>, value: Expr<'t, S>, ended: bool),
        Item(item: S::Box<Item<'t, S>>)
    }

    struct Let {
        attrs: S::List<Attr<'t, S>>,
        pattern: Pattern<'t, S>,
        of: Option<Type<'t, S>>,
        value: Option<Expr<'t, S>>,
        otherwise: Option<S::Box<Block<'t, S>>>
    }

    /// A parameter of a function, closure or function type; one without a pattern is a type alone.
    struct Param in params {
        attrs: S::List<Attr<'t, S>>,
        pattern: Option<Pattern<'t, S>>,
        of: Option<Type<'t, S>>
    }

    struct Item in items {
        start: u32,
        attrs: S::List<Attr<'t, S>>,
        visibility: Option<S::Box<Visibility<'t, S>>>,
        what: ItemWhat<'t, S>
    }

    struct Visibility {
        to: Option<Path<'t, S>>
    }

    enum ItemWhat {
        Function(of: S::Box<Function<'t, S>>),
        Struct(word: Code, name: S::Text, generics: Option<S::Box<Generics<'t, S>>>,
               fields: S::List<Field<'t, S>>),
        Enum(name: S::Text, generics: Option<S::Box<Generics<'t, S>>>,
             variants: S::List<Variant<'t, S>>),
        Trait(of: S::Box<Trait<'t, S>>),
        Impl(of: S::Box<Impl<'t, S>>),
        Module(name: S::Text, items: Option<S::List<Item<'t, S>>>),
        Use(of: UseTree<'t, S>),
        Value(of: S::Box<Value<'t, S>>),
        Alias(of: S::Box<Alias<'t, S>>),
        Crate(name: S::Text, alias: Option<S::Text>),
        Foreign(abi: Option<S::Text>, items: S::List<Item<'t, S>>),
        Macro(call: S::Box<Call<'t, S>>),
        Tokens(trees: S::List<Tree<'t, S>>)
    }

    struct Function {
        flags: u8,
        abi: Option<S::Text>,
        name: S::Text,
        generics: Option<S::Box<Generics<'t, S>>>,
        params: S::List<Param<'t, S>>,
        output: Option<Type<'t, S>>,
        body: Option<Block<'t, S>>
    }

    struct Field in fields {
        attrs: S::List<Attr<'t, S>>,
        visibility: Option<S::Box<Visibility<'t, S>>>,
        name: Option<S::Text>,
        of: Type<'t, S>
    }

    struct Variant in variants {
        attrs: S::List<Attr<'t, S>>,
        name: S::Text,
        fields: S::List<Field<'t, S>>,
        value: Option<S::Box<Expr<'t, S>>>
    }

    struct Trait {
        flags: u8,
        name: S::Text,
        generics: Option<S::Box<Generics<'t, S>>>,
        bounds: S::List<Bound<'t, S>>,
        items: S::List<Item<'t, S>>
    }

    struct Impl {
        flags: u8,
        generics: Option<S::Box<Generics<'t, S>>>,
        of_trait: Option<Type<'t, S>>,
        of: Type<'t, S>,
        items: S::List<Item<'t, S>>
    }

    /// A constant or static.
    struct Value {
        flags: u8,
        name: S::Text,
        of: Option<Type<'t, S>>,
        value: Option<Expr<'t, S>>
    }

    struct Alias {
        name: S::Text,
        generics: Option<S::Box<Generics<'t, S>>>,
        bounds: S::List<Bound<'t, S>>,
        of: Option<Type<'t, S>>
    }

    enum UseTree in use_trees {
        Path(name: S::Text, rest: S::Box<UseTree<'t, S>>),
        Name(name: S::Text, alias: Option<S::Text>),
        Group(trees: S::List<UseTree<'t, S>>),
        All()
    }

    struct File {
        items: S::List<Item<'t, S>>
    }
}
