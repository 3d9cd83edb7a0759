//! What the functions of a machine want, bus below bus.

use alloc::vec::Vec;

use super::{AddressSpace, Apertures, BarRequest, Bridge, Unassigned, keep, place};

/// How good a function's claim to its addresses is. Of two that claim the same place, the better one keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressState {
    /// They were looked at before, and a driver may rely on them.
    InUse,
    /// It decodes them now, as firmware's console does.
    Decoding,
    /// It has them in its registers, and decodes nothing.
    #[default]
    Inactive,
}

/// A function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Its BARs that have a size.
    pub bars: Vec<BarRequest>,
    /// What it forwards, if it is a bridge.
    pub bridge: Option<Bridge>,
    /// How good its claim is to the addresses that it has.
    pub state: AddressState,
}

/// A function's place in its [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) usize);

/// A BAR for which there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The function.
    pub node: NodeId,
    /// Which of its requests.
    pub bar: usize,
    /// Why.
    pub reason: Unassigned,
}

/// The functions of a machine. All root buses are one: they share the machine's addresses.
///
/// # Invariants
/// A bridge comes before what is behind it, so one pass upwards or downwards sees everything in order, without
/// recursion, however deep the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: Vec<Node>,
    /// For each node the bus it is on: 0 for a root bus, or one more than its bridge's index.
    buses: Vec<usize>,
}

impl Tree {
    /// An empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { nodes: Vec::new(), buses: Vec::new() }
    }

    /// Adds a function on a root bus, or behind the bridge `parent`. `None` when that is no bridge.
    pub fn add(&mut self, parent: Option<NodeId>, node: Node) -> Option<NodeId> {
        let bus = match parent {
            Some(NodeId(index)) => self.nodes.get(index)?.bridge.as_ref().map(|_| index + 1)?,
            None => 0,
        };
        self.nodes.push(node);
        self.buses.push(bus);
        Some(NodeId(self.nodes.len() - 1))
    }

    /// Every function with the bridge it is behind, in the order they were added.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (NodeId, Option<NodeId>, &Node)> {
        let parents = self.buses.iter().map(|bus| bus.checked_sub(1).map(NodeId));
        self.nodes.iter().zip(parents).enumerate().map(|(index, (node, parent))| (NodeId(index), parent, node))
    }

    /// The function `id`.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    /// Gives every BAR and every window an address, or says why not. What has a good one keeps it.
    pub fn assign(&mut self, apertures: &Apertures) -> Vec<Failure> {
        let rooms = keep::keep(self, apertures);
        // Space to spare is for nobody's loss.
        let mut with_spare = self.clone();
        place::place(&mut with_spare, rooms.clone(), true);
        if with_spare.failures().is_empty() {
            *self = with_spare;
        } else {
            place::place(self, rooms, false);
        }
        self.nodes.iter_mut().for_each(|node| node.state = AddressState::InUse);
        self.failures()
    }

    fn failures(&self) -> Vec<Failure> {
        let requests = self.nodes.iter().enumerate().flat_map(|(node, it)| {
            it.bars.iter().enumerate().map(move |(bar, request)| (NodeId(node), bar, request.address))
        });
        requests.filter_map(|(node, bar, address)| address.err().map(|reason| Failure { node, bar, reason })).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn at(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    pub(super) fn at_mut(&mut self, index: usize) -> &mut Node {
        &mut self.nodes[index]
    }

    /// The nodes on each bus: first those of the root buses, then those behind each node.
    pub(super) fn members(&self) -> Vec<Vec<usize>> {
        let mut members = alloc::vec![Vec::new(); self.nodes.len() + 1];
        for (node, bus) in self.buses.iter().enumerate() {
            members[*bus].push(node);
        }
        members
    }

    /// The bus that a node is on, numbered as in [`members`](Self::members).
    pub(super) fn bus_of(&self, node: usize) -> usize {
        self.buses[node]
    }

    /// Which room of a bus something of `kind` below `ceiling` goes to.
    pub(super) fn route(&self, bus: usize, kind: AddressSpace, ceiling: u64) -> Option<AddressSpace> {
        match bus.checked_sub(1) {
            None => Some(kind),
            Some(bridge) => self.nodes[bridge].bridge.as_ref()?.route(kind, ceiling),
        }
    }

    /// Through which window of `bridge`, somewhere above, a BAR of `node` is reached.
    pub(super) fn passes(&self, node: usize, bar: &BarRequest, bridge: usize) -> Option<AddressSpace> {
        let (mut at, mut kind, mut ceiling) = (node, bar.kind, bar.ceiling());
        while at != bridge {
            let bus = self.buses[at];
            kind = self.route(bus, kind, ceiling)?;
            at = bus.checked_sub(1)?;
            ceiling = ceiling.min(self.nodes[at].bridge.as_ref()?.window(kind).ceiling);
        }
        Some(kind)
    }
}
