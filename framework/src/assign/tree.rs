//! The tree of a machine's functions and bridges, whose BARs and windows are assigned.

use alloc::vec::Vec;

use super::demand::WindowPolicy;
use super::{AddressSpace, Apertures, BarRequest, Bridge, Unassigned, keep, place};

/// How firmly a function holds the addresses in its registers. Of two functions with the same address, the one with the lower value keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressState {
    /// The addresses were assigned before, and a driver may use them.
    InUse,
    /// The function decodes the addresses now, as firmware's console does.
    Decoding,
    /// The function does not decode the addresses.
    #[default]
    Inactive,
}

/// A function in a [`Tree`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// The BARs that have a size.
    pub bars: Vec<BarRequest>,
    /// The windows of a bridge; `None` for an endpoint.
    pub bridge: Option<Bridge>,
    /// How firmly the function holds the addresses in its registers.
    pub state: AddressState,
}

/// The index of a function in its [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) usize);

/// A BAR that got no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The function.
    pub node: NodeId,
    /// The index among the function's requests.
    pub bar: usize,
    /// The reason.
    pub reason: Unassigned,
}

/// The functions of a machine. All root buses count as one: they share the machine's addresses.
///
/// # Invariants
/// A bridge comes before the functions behind it, so that one pass in either direction visits all levels in order, without
/// recursion.
///
/// ```
/// use switchboard::assign::{AddressSpace, Apertures, BarRequest, Bridge, Node, Tree, Unassigned, WindowRequest};
///
/// let mut tree = Tree::new();
/// let memory = WindowRequest::closed(WindowRequest::LOW_CEILING);
/// let port = Node { bridge: Some(Bridge { memory, ..Bridge::default() }), ..Node::default() };
/// let port = tree.add(None, port).expect("a root bus");
/// let bar =
///     BarRequest { kind: AddressSpace::Memory, is_64bit: false, size: 0x4000, address: Err(Unassigned::Unset) };
/// let card = tree.add(Some(port), Node { bars: vec![bar], ..Node::default() }).expect("behind a bridge");
///
/// let apertures = Apertures { memory: vec![0xc000_0000..0xe000_0000], ..Apertures::default() };
/// assert_eq!(tree.assign(&apertures), [], "no BAR is left without an address");
/// assert_eq!(tree.node(card).expect("added").bars[0].address, Ok(0xc000_0000));
/// // The window around it, in steps of 1 MiB.
/// let bridge = tree.node(port).and_then(|node| node.bridge.as_ref()).expect("a bridge");
/// assert_eq!(bridge.memory.range, Some(0xc000_0000..0xc010_0000));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: Vec<Node>,
    /// The bus of each node: 0 for a root bus, else one more than the index of its bridge.
    buses: Vec<usize>,
}

impl Tree {
    /// Returns an empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { nodes: Vec::new(), buses: Vec::new() }
    }

    /// Adds a function on a root bus, or behind the bridge `parent`. Returns `None` when that is not a bridge.
    pub fn add(&mut self, parent: Option<NodeId>, node: Node) -> Option<NodeId> {
        let bus = match parent {
            Some(NodeId(index)) => self.nodes.get(index)?.bridge.as_ref().map(|_| index + 1)?,
            None => 0,
        };
        self.nodes.push(node);
        self.buses.push(bus);
        Some(NodeId(self.nodes.len() - 1))
    }

    /// Returns every function with the bridge above it, in the order in which they were added.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (NodeId, Option<NodeId>, &Node)> {
        let parents = self.buses.iter().map(|bus| bus.checked_sub(1).map(NodeId));
        self.nodes.iter().zip(parents).enumerate().map(|(index, (node, parent))| (NodeId(index), parent, node))
    }

    /// Returns the function `id`.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    /// Assigns an address to every BAR and window, and returns the BARs that got none. Valid addresses are kept.
    pub fn assign(&mut self, apertures: &Apertures) -> Vec<Failure> {
        let free = keep::keep(self, apertures);
        // Spare memory for slots and firmware's empty windows must not cost any BAR its address.
        let attempts = [(true, true), (false, true), (true, false), (false, false)]
            .map(|(spare, empty)| WindowPolicy { has_spare_memory: spare, keeps_empty_windows: empty });
        let mut fewest = usize::MAX;
        let before = core::mem::take(self);
        for policy in attempts {
            let mut attempt = before.clone();
            place::place(&mut attempt, free.clone(), policy);
            let failures = attempt.failures().len();
            if failures < fewest {
                fewest = failures;
                *self = attempt;
            }
            if failures == 0 {
                break;
            }
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

    /// Returns the nodes on each bus: first those on the root buses, then those behind each node.
    pub(super) fn members(&self) -> Vec<Vec<usize>> {
        let mut members = alloc::vec![Vec::new(); self.nodes.len() + 1];
        for (node, bus) in self.buses.iter().enumerate() {
            members[*bus].push(node);
        }
        members
    }

    /// Returns the bus of a node, numbered as in [`members`](Self::members).
    pub(super) fn bus_of(&self, node: usize) -> usize {
        self.buses[node]
    }

    /// Returns the window that addresses of `kind` below `ceiling` are placed in on a bus.
    pub(super) fn route(&self, bus: usize, kind: AddressSpace, ceiling: u64) -> Option<AddressSpace> {
        match bus.checked_sub(1) {
            None => Some(kind),
            Some(bridge) => self.nodes[bridge].bridge.as_ref()?.route(kind, ceiling),
        }
    }

    /// Returns the window of `bridge`, somewhere above `node`, through which `bar` is reached.
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
