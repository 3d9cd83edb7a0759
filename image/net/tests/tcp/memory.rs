//! The memory of connections: idle ones take little, and without any, new ones wait.

use super::*;

#[test]
fn idle_connections_take_no_buffers_and_go_on_with_their_sequence_numbers() {
    static BUDGET: MemoryBudget = MemoryBudget::new(1 << 30);
    let mut lan = Lan::new();
    lan.stack.set_memory_budget(&BUDGET);
    serve_echo(&lan, 2000);
    let mut conns: Vec<Conn> =
        (0..1000).map(|index| Conn::open(&mut lan, spoofed(index), 20_000 + index, PORT)).collect();
    for conn in &mut conns {
        echo(&mut lan, conn, b"first");
    }
    lan.run(5000);
    let each = BUDGET.usage().used_bytes / conns.len();
    assert!(each <= 2048, "{each} bytes of each idle connection");
    for conn in &mut conns {
        echo(&mut lan, conn, b"second");
        echo(&mut lan, conn, b"third");
    }
    for conn in &conns {
        conn.send_control(&mut lan, TcpControl::Rst, 0);
    }
    assert!(lan.run(100).iter().all(|segment| !segment.is_reset()));
    assert_eq!(BUDGET.usage().used_bytes, 0);
}

#[test]
fn without_memory_new_connections_are_left_unanswered_and_old_ones_go_on() {
    static BUDGET: MemoryBudget = MemoryBudget::new(60_000);
    let mut lan = Lan::new();
    lan.stack.set_memory_budget(&BUDGET);
    serve_echo(&lan, 2000);
    let mut first = Conn::open(&mut lan, HOST, 20_000, PORT);
    echo(&mut lan, &mut first, b"first");
    let mut others: Vec<Conn> =
        (1..100).map(|index| Conn::open(&mut lan, spoofed(index), 20_000 + index, PORT)).collect();
    for conn in &mut others {
        conn.send(&mut lan, b"x");
        conn.run(&mut lan, 5);
        assert!(!conn.is_reset);
    }
    let served = others.iter().filter(|conn| conn.received == b"x").count();
    assert!((2..99).contains(&served), "{served}");
    assert!(BUDGET.usage().used_bytes <= 60_000);
    echo(&mut lan, &mut first, b"second");
}
