//! The tree of named objects (ACPI 6.5, 5.3).

use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;

use crate::error::Reason;
use crate::path::{Path, Segment};
use crate::reader::Reader;
use crate::value::{Bytes, Value};

/// The number of a node. Nodes that a method has made are gone when it ends, and their numbers are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(usize);

/// A named object.
#[derive(Debug, Clone)]
pub(crate) enum Object {
    /// A place for names: a scope, a processor, a power resource, a thermal zone.
    Scope,
    Device,
    Value(Value),
    Method {
        code: Reader,
        arguments: usize,
    },
    /// The method `_OSI` of the operating system.
    Osi,
    Region {
        space: u8,
        offset: u64,
        length: u64,
    },
    Field(Field),
    /// Bits of a buffer.
    BufferField {
        buffer: Bytes,
        first_bit: usize,
        bits: usize,
    },
    /// A mutex or an event: there is one thread.
    Synchronization,
    /// A field whose access would write to hardware, by an index or a bank register.
    IndirectField,
}

/// Bits of a region.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) region: NodeId,
    pub(crate) first_bit: u64,
    pub(crate) bits: u64,
    /// How many bytes an access has.
    pub(crate) access_bytes: u8,
}

#[derive(Debug)]
struct Node {
    parent: NodeId,
    name: Segment,
    object: Object,
}

/// All named objects.
#[derive(Debug)]
pub(crate) struct Namespace {
    nodes: Vec<Node>,
    children: BTreeMap<(NodeId, Segment), NodeId>,
}

impl Namespace {
    pub(crate) const ROOT: NodeId = NodeId(0);

    /// Creates the objects that there are before any table (ACPI 6.5, 5.3.1 and 5.7).
    pub(crate) fn new() -> Self {
        let root = Node { parent: Self::ROOT, name: Segment::own(*b"____"), object: Object::Scope };
        let mut namespace = Self { nodes: Vec::from([root]), children: BTreeMap::new() };
        let objects = [
            (*b"_GPE", Object::Scope),
            (*b"_PR_", Object::Scope),
            (*b"_SB_", Object::Scope),
            (*b"_SI_", Object::Scope),
            (*b"_TZ_", Object::Scope),
            (*b"_GL_", Object::Synchronization),
            (*b"_OS_", Object::Value(Value::String((*b"Microsoft Windows NT").into()))),
            (*b"_OSI", Object::Osi),
            (*b"_REV", Object::Value(Value::Integer(2))),
        ];
        for (name, object) in objects {
            namespace.insert(Self::ROOT, Segment::own(name), object);
        }
        namespace
    }

    /// Returns the number of nodes, for [`truncate`](Self::truncate).
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Removes the nodes that were made since there were `length`.
    pub(crate) fn truncate(&mut self, length: usize) {
        for (index, node) in self.nodes.iter().enumerate().skip(length).rev() {
            let key = (node.parent, node.name);
            // Another node may have taken the name.
            if self.children.get(&key).is_some_and(|id| id.0 == index) {
                self.children.remove(&key);
            }
        }
        self.nodes.truncate(length.max(1));
    }

    pub(crate) fn object(&self, id: NodeId) -> Option<&Object> {
        self.nodes.get(id.0).map(|node| &node.object)
    }

    pub(crate) fn object_mut(&mut self, id: NodeId) -> Option<&mut Object> {
        self.nodes.get_mut(id.0).map(|node| &mut node.object)
    }

    pub(crate) fn parent(&self, id: NodeId) -> NodeId {
        self.nodes.get(id.0).map_or(Self::ROOT, |node| node.parent)
    }

    pub(crate) fn child(&self, id: NodeId, name: [u8; 4]) -> Option<NodeId> {
        self.children.get(&(id, Segment::own(name))).copied()
    }

    /// Returns all devices, in the order in which they were defined.
    pub(crate) fn devices(&self) -> Vec<NodeId> {
        let is_device = |(_, node): &(usize, &Node)| matches!(node.object, Object::Device);
        self.nodes.iter().enumerate().filter(is_device).map(|(index, _)| NodeId(index)).collect()
    }

    /// Finds the object of a name in `scope`. A single segment is searched in the scopes around it, too (5.3).
    pub(crate) fn find(&self, scope: NodeId, path: &Path) -> Option<NodeId> {
        let start = self.start(scope, path);
        let [first, rest @ ..] = path.segments.as_slice() else { return Some(start) };
        let mut at = self.children.get(&(start, *first)).copied();
        let is_searched = rest.is_empty() && !path.is_absolute && path.parents == 0;
        let mut scope = start;
        while at.is_none() && is_searched && scope != Self::ROOT {
            scope = self.parent(scope);
            at = self.children.get(&(scope, *first)).copied();
        }
        rest.iter().try_fold(at?, |at, segment| self.children.get(&(at, *segment)).copied())
    }

    /// Defines the object of a name. The first of two counts, except that a scope becomes what is defined there later.
    pub(crate) fn define(&mut self, scope: NodeId, path: &Path, object: Object) -> Result<NodeId, Reason> {
        let (parent, name) = self.place(scope, path)?;
        match self.children.get(&(parent, name)).copied() {
            Some(id) => {
                let node = self.nodes.get_mut(id.0).filter(|node| matches!(node.object, Object::Scope));
                if let Some(node) = node.filter(|_| !matches!(object, Object::Scope)) {
                    node.object = object;
                }
                Ok(id)
            }
            None => Ok(self.insert(parent, name, object)),
        }
    }

    /// Gives an object another name.
    pub(crate) fn alias(&mut self, scope: NodeId, path: &Path, id: NodeId) -> Result<(), Reason> {
        let key = self.place(scope, path)?;
        self.children.entry(key).or_insert(id);
        Ok(())
    }

    /// Returns the parent and the last segment of a name that is to be defined.
    fn place(&self, scope: NodeId, path: &Path) -> Result<(NodeId, Segment), Reason> {
        let (name, parents) = path.segments.split_last().ok_or(Reason::Name)?;
        let parent =
            parents.iter().try_fold(self.start(scope, path), |at, segment| self.children.get(&(at, *segment)).copied());
        Ok((parent.ok_or_else(|| Reason::NotFound(path.to_string()))?, *name))
    }

    fn start(&self, scope: NodeId, path: &Path) -> NodeId {
        let scope = if path.is_absolute { Self::ROOT } else { scope };
        (0..path.parents).fold(scope, |scope, _| self.parent(scope))
    }

    fn insert(&mut self, parent: NodeId, name: Segment, object: Object) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node { parent, name, object });
        self.children.insert((parent, name), id);
        id
    }
}
