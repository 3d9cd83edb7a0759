//! Libraries of Python. A script is skipped where a module is missing: Debian's packages are `python3-requests`,
//! `python3-aiohttp`, `python3-httpx`, `python3-websockets` and `python3-zeroconf`.

use std::fs;

use crate::Lan;

/// Runs a script that prints `done` at its end.
fn run(module: &str, options: &str, script: &str) {
    let Some(lan) = Lan::start(module, &["python3"], options) else { return };
    if !has(&lan, module) {
        println!("skipped: Python has no module {module}");
        return;
    }
    fs::write(lan.folder.join("script.py"), script).expect("a temporary file");
    let printed = lan.run("python3 script.py");
    assert!(printed.ends_with("done\n"), "{printed}");
}

fn has(lan: &Lan, module: &str) -> bool {
    fs::write(lan.folder.join("has.py"), format!("import {module}\n")).expect("a temporary file");
    lan.host.tries("python3", &lan.folder.join("has.py").display().to_string())
}

#[test]
fn requests() {
    run(
        "requests",
        "app=rest",
        r"
import requests
session = requests.Session()
for host in ('10.9.0.2', '[fd00:9::2]'):
    url = f'http://{host}'
    assert session.post(url + '/items', json={'name': 'a', 'quantity': 1}).status_code == 201
    assert session.get(url + '/items', params={'name': 'a'}).json()[0]['name'] == 'a'
    assert session.put(url + '/items/9999', json={'name': 'a', 'quantity': 1}).status_code == 404
    assert session.post(url + '/echo', data=(b'x' * 2000 for _ in range(20))).content == b'x' * 40000
    assert len(session.post(url + '/echo', files={'f': ('n', b'z' * 50000)}).content) > 50000
    for _ in range(50):
        assert session.get(url + '/items').status_code == 200
print('done')
",
    );
}

#[test]
fn httpx() {
    run(
        "httpx",
        "app=rest",
        r"
import httpx
client = httpx.Client()
assert client.post('http://10.9.0.2/echo', content=(b'x' * 2000 for _ in range(20))).content == b'x' * 40000
with client.stream('GET', 'http://10.9.0.2/events') as response:
    assert response.headers['content-type'].startswith('text/event-stream')
    lines = response.iter_lines()
    assert next(lines) == 'event: table'
print('done')
",
    );
}

#[test]
fn aiohttp() {
    run(
        "aiohttp",
        "app=rest",
        r"
import aiohttp, asyncio
async def body():
    for _ in range(50):
        yield b'y' * 800
async def get(session):
    async with session.get('http://10.9.0.2/items') as response:
        return response.status, await response.text()
async def main():
    async with aiohttp.ClientSession() as session:
        assert set(await asyncio.gather(*[get(session) for _ in range(200)])) == {(200, '[]')}
        async with session.post('http://10.9.0.2/echo', data=body(), expect100=True) as response:
            assert await response.read() == b'y' * 40000
        async with session.ws_connect('http://10.9.0.2/socket') as socket:
            await socket.send_bytes(b'\0' * 100000)
            assert (await socket.receive()).data == b'\0' * 100000
            await socket.close()
            assert socket.close_code == 1000
asyncio.run(main())
print('done')
",
    );
}

/// Instead of the Autobahn suite: `autobahntestsuite` 25.10.1 on PyPI declares Python 3 and contains Python 2, so that it is
/// installed and cannot be imported.
#[test]
fn websockets() {
    run(
        "websockets",
        "app=rest -- message-bytes 16777216",
        r"
import asyncio, websockets
async def parts():
    for _ in range(10):
        yield 'part'
async def main():
    async with websockets.connect('ws://[fd00:9::2]/socket') as socket:
        await socket.send('h\u00e9')
        assert await socket.recv() == 'h\u00e9'
        await (await socket.ping())
        await socket.send(parts())
        assert await socket.recv() == 'part' * 10
    async with websockets.connect('ws://10.9.0.2/socket', max_size=None) as socket:
        # As section 9 of the Autobahn suite: long messages, whole and in many frames.
        for length in (65536, 262144, 1048576, 4194304, 16777216):
            await socket.send(b'\xfe' * length)
            assert await socket.recv() == b'\xfe' * length
        frames = ['x' * 4096] * 1024
        await socket.send(frames)
        assert await socket.recv() == ''.join(frames)
asyncio.run(main())
print('done')
",
    );
}

#[test]
fn zeroconf() {
    run(
        "zeroconf",
        "hostname=board",
        r"
import time, socket
from zeroconf import Zeroconf, DNSQuestion, DNSOutgoing, const
client = Zeroconf(interfaces=['10.9.0.1'])
for _ in range(20):
    query = DNSOutgoing(const._FLAGS_QR_QUERY)
    query.add_question(DNSQuestion('board.local.', const._TYPE_A, const._CLASS_IN))
    client.send(query)
    time.sleep(0.5)
    found = client.cache.entries_with_name('board.local.')
    if any(getattr(record, 'address', b'') == socket.inet_aton('10.9.0.2') for record in found):
        print('done')
        break
client.close()
",
    );
}
