use super::*;

#[test]
fn what_is_here_is_known() {
    assert!(is_here("127.0.0.1:80".parse().unwrap()));
    assert!(!is_here("192.0.2.1:80".parse().unwrap()));
}

/// Both ends of a connection.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (here, there) = tokio::join!(TcpStream::connect(address), listener.accept());
    (here.unwrap(), there.unwrap().0)
}

#[tokio::test]
async fn what_either_says_is_passed_on_to_its_end() {
    let (mut client, mut of_client) = connection().await;
    let (mut of_server, mut server) = connection().await;
    let passing = tokio::spawn(async move { pass_on(&mut of_client, &mut of_server).await });
    let question = vec![b'?'; 3 * PIECE_BYTES + 1];
    let answer = vec![b'!'; 3 * PIECE_BYTES + 1];
    let asking = async {
        client.write_all(&question).await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        heard
    };
    let answering = async {
        let mut heard = Vec::new();
        server.read_to_end(&mut heard).await.unwrap();
        server.write_all(&answer).await.unwrap();
        server.shutdown().await.unwrap();
        heard
    };
    let (heard_by_client, heard_by_server) = tokio::join!(asking, answering);
    assert!(heard_by_client == answer && heard_by_server == question);
    passing.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_never_ends_keeps_no_place_when_its_evaluation_is_over() {
    let (client, mut of_client) = connection().await;
    let (mut of_server, _server) = connection().await;
    drop(client);
    let begun = tokio::time::Instant::now();
    let ended = pass_on(&mut of_client, &mut of_server).await;
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(begun.elapsed() <= LINGER + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_that_says_nothing() {
    let (_client, mut of_client) = connection().await;
    let (mut of_server, _server) = connection().await;
    let ended = pass_on(&mut of_client, &mut of_server).await;
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn a_request_says_where_it_goes() {
    let host = |text: &str| {
        parse(text.as_bytes()).map(|asked| asked.map(|asked| (asked.host, asked.port)))
    };
    let goes = |host: &str, port| Ok(Some((host.to_owned(), port)));
    assert_eq!(
        host("CONNECT Example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n"),
        goes("example.org", 443)
    );
    assert_eq!(
        host("CONNECT [fd00::1]:443 HTTP/1.1\r\n\r\n"),
        goes("[fd00::1]", 443)
    );
    // Other ways to write an address are the same address.
    assert_eq!(
        host("GET http://0x7f.1/x HTTP/1.1\r\n\r\n"),
        goes("127.0.0.1", 80)
    );
    assert_eq!(
        host("GET http://2130706433:81/ HTTP/1.1\r\n\r\n"),
        goes("127.0.0.1", 81)
    );
    assert_eq!(host("GET http://a@b/ HTTP/1.1\r\n\r\n"), goes("b", 80));
    assert_eq!(host("GET http://a/ HTTP/1.1\r\nHost"), Ok(None));
    for none in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET https://a/ HTTP/1.1\r\n\r\n",
        "CONNECT a HTTP/1.1\r\n\r\n",
        "CONNECT a:99999 HTTP/1.1\r\n\r\n",
        "\u{16}\u{3}\u{1}",
    ] {
        assert_eq!(host(none), Err(()), "{none:?}");
    }
}

#[test]
fn what_is_passed_on_is_one_request_to_a_server() {
    let asked = parse(
        b"POST http://a:8/b?c=d HTTP/1.1\r\nHost: a:8\r\nProxy-Connection: keep-alive\r\nAccept: */*\r\n\r\nbody",
    );
    let forwarded = asked.unwrap().unwrap().forwarded.unwrap();
    assert_eq!(
        String::from_utf8(forwarded).unwrap(),
        "POST /b?c=d HTTP/1.1\r\nHost: a:8\r\nAccept: */*\r\nConnection: close\r\n\r\nbody"
    );
}

/// Security: "token leak through fetchers": at a host whose token evaluations may have, the forge alone is fetched from.
#[test]
fn a_guarded_host_is_entered_where_its_forge_is() {
    let entrance = |port, tls| Entrance { port, tls };
    let https = vec![entrance(Some(443), Some(true)), entrance(Some(8080), None)];
    let reachable = Reachable {
        named: HashSet::new(),
        guarded: [
            ("git.example.org".to_owned(), https),
            (
                "127.0.0.1".to_owned(),
                vec![entrance(Some(3000), Some(false))],
            ),
        ]
        .into(),
    };
    let refuses = |text: &str| reachable.refuses(&parse(text.as_bytes()).unwrap().unwrap());
    for open in [
        "CONNECT git.example.org:443 HTTP/1.1\r\n\r\n",
        "CONNECT GIT.example.org:443 HTTP/1.1\r\n\r\n",
        "GET http://git.example.org:8080/ HTTP/1.1\r\n\r\n",
        "GET http://127.0.0.1:3000/a HTTP/1.1\r\n\r\n",
        "GET http://other.example.org/ HTTP/1.1\r\n\r\n",
        "CONNECT other.example.org:8443 HTTP/1.1\r\n\r\n",
    ] {
        assert!(!refuses(open), "{open}");
    }
    for shut in [
        "GET http://git.example.org/ HTTP/1.1\r\n\r\n",
        "GET http://git.example.org:443/ HTTP/1.1\r\n\r\n",
        "GET http://Git.Example.Org./ HTTP/1.1\r\n\r\n",
        "CONNECT git.example.org:8443 HTTP/1.1\r\n\r\n",
        "CONNECT git.example.org.:22 HTTP/1.1\r\n\r\n",
        "CONNECT 127.0.0.1:3000 HTTP/1.1\r\n\r\n",
        "GET http://0x7f.1:3001/ HTTP/1.1\r\n\r\n",
    ] {
        assert!(refuses(shut), "{shut}");
    }
}
