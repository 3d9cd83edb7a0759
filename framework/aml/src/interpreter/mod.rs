//! The evaluation of terms, within bounds of time, depth and memory.

mod definitions;
mod expressions;
mod fields;
mod operators;
mod packages;
mod statements;
mod targets;

use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec::Vec;

use crate::Hardware;
use crate::error::{AmlError, Reason};
use crate::namespace::{Namespace, NodeId, Object};
use crate::path::Path;
use crate::reader::Reader;
use crate::value::Value;

/// Terms that are evaluated for a table or for a value. The tables of a large server have some ten thousands.
const MAX_TERMS: u32 = 400_000;
/// Terms within terms, calls within calls. Each takes about a kilobyte of the stack.
const MAX_DEPTH: u32 = 96;
/// Bytes that all buffers, packages and names made take in one evaluation, whether in use or not.
const MAX_BYTES: usize = 8 << 20;
/// Packages within packages.
const MAX_NESTING: u32 = 8;

/// How a list of terms ended.
#[derive(Debug)]
pub(crate) enum Flow {
    Next,
    Break,
    Continue,
    Return(Value),
}

/// What a method has of its own.
#[derive(Debug)]
pub(crate) struct Frame {
    scope: NodeId,
    locals: [Value; 8],
    arguments: [Value; 7],
    /// Whether this is the code of a table, where an error ends only the scope or device that it is in.
    is_table: bool,
}

impl Frame {
    fn new(scope: NodeId) -> Self {
        Self { scope, locals: Default::default(), arguments: Default::default(), is_table: false }
    }
}

/// The objects of all tables, and the limits of the present evaluation.
#[derive(Debug)]
pub(crate) struct Interpreter<'a> {
    pub(crate) namespace: Namespace,
    hardware: &'a dyn Hardware,
    /// All ones: of 64 bits, or of 32 where the DSDT is of revision 1 (ACPI 6.5, 19.3.5.1).
    ones: u64,
    terms_left: u32,
    bytes_left: usize,
    depth: u32,
    /// What was left out of tables.
    pub(crate) errors: Vec<AmlError>,
}

impl<'a> Interpreter<'a> {
    pub(crate) fn new(hardware: &'a dyn Hardware, has_64_bits: bool) -> Self {
        let ones = if has_64_bits { u64::MAX } else { u32::MAX.into() };
        let (terms_left, bytes_left) = (MAX_TERMS, MAX_BYTES);
        let namespace = Namespace::new();
        Self { namespace, hardware, ones, terms_left, bytes_left, depth: 0, errors: Vec::new() }
    }

    fn reset_limits(&mut self) {
        (self.terms_left, self.bytes_left, self.depth) = (MAX_TERMS, MAX_BYTES, 0);
    }

    /// Evaluates the code of a table, and keeps the names that it defines.
    pub(crate) fn load(&mut self, code: Reader) {
        self.reset_limits();
        let mut frame = Frame { is_table: true, ..Frame::new(Namespace::ROOT) };
        if let Err(error) = self.run(code, &mut frame) {
            self.report(error);
        }
    }

    fn report(&mut self, error: AmlError) {
        if self.errors.len() < crate::MAX_ERRORS {
            self.errors.push(error);
        }
    }

    /// Evaluates the object `name` of a node: the value of a name, or what a method returns. Returns `None` where there is
    /// no such object.
    pub(crate) fn evaluate(
        &mut self,
        node: NodeId,
        name: [u8; 4],
        arguments: &[Value],
    ) -> Result<Option<Value>, AmlError> {
        self.reset_limits();
        self.object_with(node, name, arguments)
    }

    /// The same without arguments, within an evaluation whose limits go on.
    pub(crate) fn object_of(&mut self, node: NodeId, name: [u8; 4]) -> Result<Option<Value>, AmlError> {
        self.object_with(node, name, &[])
    }

    fn object_with(&mut self, node: NodeId, name: [u8; 4], arguments: &[Value]) -> Result<Option<Value>, AmlError> {
        let Some(id) = self.namespace.child(node, name) else { return Ok(None) };
        let value = match self.namespace.object(id) {
            Some(Object::Method { .. }) => self.call(id, arguments.to_vec())?,
            _ => self.nested(|interpreter| interpreter.value_of(id))?,
        };
        self.resolved(value).map(Some)
    }

    /// Returns the value of a node that is no method: of data what it is, of a field what is read, of others the node.
    fn value_of(&mut self, id: NodeId) -> Result<Value, AmlError> {
        match self.namespace.object(id) {
            Some(Object::Value(value)) => Ok(value.clone()),
            Some(Object::Field(field)) => Ok(self.read_field(*field)?),
            Some(Object::BufferField { buffer, first_bit, bits }) => {
                Ok(fields::read_bits(&buffer.borrow(), *first_bit, *bits)?)
            }
            Some(Object::IndirectField) => Err(Reason::Opcode.into()),
            _ => Ok(Value::Node(id)),
        }
    }

    /// Returns what a name in a package or a reference stands for.
    pub(crate) fn resolved(&mut self, value: Value) -> Result<Value, AmlError> {
        match value {
            Value::Name(scope, path) => {
                let id = self.find(scope, &path)?;
                self.value_of(id)
            }
            Value::Element(elements, index) => {
                let length = elements.borrow().len();
                let element = elements.borrow().get(index).cloned();
                let element = element.ok_or(Reason::Index { index: index as u64, length })?;
                if matches!(element, Value::Name(..)) { self.resolved(element) } else { Ok(element) }
            }
            Value::Byte(bytes, index) => {
                let bytes = bytes.borrow();
                let byte = bytes.get(index).ok_or(Reason::Index { index: index as u64, length: bytes.len() })?;
                Ok(Value::Integer((*byte).into()))
            }
            other => Ok(other),
        }
    }

    fn find(&self, scope: NodeId, path: &Path) -> Result<NodeId, Reason> {
        self.namespace.find(scope, path).ok_or_else(|| Reason::NotFound(path.to_string()))
    }

    /// Calls a method.
    fn call(&mut self, id: NodeId, arguments: Vec<Value>) -> Result<Value, AmlError> {
        let Some(Object::Method { code, .. }) = self.namespace.object(id) else {
            return Err(Value::Node(id).is_not("a method").into());
        };
        let (code, mut frame) = (code.clone(), Frame::new(id));
        frame.arguments.iter_mut().zip(arguments).for_each(|(to, argument)| *to = argument);
        let length = self.namespace.len();
        let flow = self.nested(|interpreter| interpreter.run(code, &mut frame));
        self.namespace.truncate(length);
        match flow? {
            Flow::Return(value) => Ok(value),
            _ => Ok(Value::Uninitialized),
        }
    }

    /// Evaluates a list of terms.
    fn run(&mut self, mut code: Reader, frame: &mut Frame) -> Result<Flow, AmlError> {
        while !code.is_empty() {
            match self.statement(&mut code, frame)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    /// Evaluates within one more level.
    fn nested<T>(&mut self, evaluate: impl FnOnce(&mut Self) -> Result<T, AmlError>) -> Result<T, AmlError> {
        if self.depth >= MAX_DEPTH {
            return Err(Reason::TooDeep(MAX_DEPTH).into());
        }
        self.depth += 1;
        let result = evaluate(self);
        self.depth -= 1;
        result
    }

    /// Counts a term.
    fn spend_term(&mut self) -> Result<(), Reason> {
        self.terms_left = self.terms_left.checked_sub(1).ok_or(Reason::TooLong(MAX_TERMS))?;
        Ok(())
    }

    /// Counts memory before it is taken.
    fn spend_bytes(&mut self, bytes: usize) -> Result<(), Reason> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(Reason::TooLarge(MAX_BYTES))?;
        Ok(())
    }

    /// Copies a value, so that changes of one do not change the other.
    fn copy_of(&mut self, value: &Value) -> Result<Value, Reason> {
        match value {
            Value::Buffer(bytes) => self.spend_bytes(bytes.borrow().len())?,
            Value::Package(elements) => {
                self.spend_bytes(elements.borrow().len() * size_of::<Value>())?;
                check_nesting(value, MAX_NESTING)?;
            }
            _ => {}
        }
        Ok(value.copied())
    }

    fn new_buffer(&mut self, bytes: Vec<u8>) -> Result<Value, Reason> {
        self.spend_bytes(bytes.len())?;
        Ok(Value::buffer(bytes))
    }

    fn new_package(&mut self, elements: Vec<Value>) -> Result<Value, Reason> {
        let value = Value::Package(Rc::new(elements.into()));
        check_nesting(&value, MAX_NESTING)?;
        Ok(value)
    }
}

/// Checks how many packages are within each other. To drop them takes the stack, too.
fn check_nesting(value: &Value, left: u32) -> Result<(), Reason> {
    match value {
        Value::Package(_) if left == 0 => Err(Reason::TooDeep(MAX_NESTING)),
        Value::Package(elements) => elements.borrow().iter().try_for_each(|element| check_nesting(element, left - 1)),
        _ => Ok(()),
    }
}
