//! To and from petgraph, for everything that one does with graphs beside models.

use petgraph::EdgeType;
use petgraph::graph;
use petgraph::visit::EdgeRef as _;

use super::Graph;

/// The edges of a petgraph, without what it knows of them; neighbours ascend. Of an undirected one, each edge both ways, once.
///
/// # Examples
///
/// ```
/// use petgraph::graph::UnGraph;
/// use radio_models::Graph;
///
/// let path = UnGraph::<(), ()>::from_edges([(0, 1), (1, 2)]);
/// let graph = Graph::from(&path);
/// assert_eq!(graph.neighbours(1), [0, 2]);
/// ```
impl<N, E, Ty: EdgeType> From<&graph::Graph<N, E, Ty, u32>> for Graph {
    fn from(from: &graph::Graph<N, E, Ty, u32>) -> Self {
        let ends = from
            .edge_references()
            .map(|edge| [edge.source(), edge.target()].map(|node| node.index() as u32));
        let mut edges: Vec<[u32; 2]> = ends.collect();
        edges.sort_unstable();
        let mut degrees = vec![0; from.node_count()];
        edges.iter().for_each(|&[node, _]| degrees[node as usize] += 1);
        let graph = Self::from_degrees(&degrees, edges.into_iter().map(|[_, to]| to).collect());
        if from.is_directed() { graph } else { graph.symmetric() }
    }
}

/// Nodes and edges without weights, in 16 bytes for an edge and 8 for a node.
///
/// # Examples
///
/// ```
/// use petgraph::algo::tarjan_scc;
/// use petgraph::graph::DiGraph;
/// use radio_models::Graph;
///
/// let graph = Graph::from_edges(4, &[[0, 1], [1, 0], [2, 3]])?;
/// assert_eq!(tarjan_scc(&DiGraph::from(&graph)).len(), 3);
/// # Ok::<(), radio_models::Error>(())
/// ```
impl From<&Graph> for graph::DiGraph<(), (), u32> {
    fn from(from: &Graph) -> Self {
        let mut to = Self::with_capacity(from.nodes(), from.edges());
        for _ in 0..from.nodes() {
            to.add_node(());
        }
        for node in 0..from.nodes() {
            for &neighbour in from.neighbours(node) {
                to.add_edge((node as u32).into(), neighbour.into(), ());
            }
        }
        to
    }
}
