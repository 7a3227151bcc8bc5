use super::*;

/// A token is its number; this one is right.
const RIGHT: u64 = 0;

struct Try {
    guessers: Guessers,
    began: Instant,
}

impl Try {
    fn new() -> Self {
        Self {
            guessers: Guessers::default(),
            began: Instant::now(),
        }
    }

    /// What a client's token is worth, so many seconds after the beginning.
    fn show(&mut self, client: Client, token: u64, seconds: u64) -> Worth {
        let now = self.began + Duration::from_secs(seconds);
        let is_right = || token == RIGHT;
        self.guessers.judge(client, token, is_right, now)
    }
}

fn client(n: u32) -> Client {
    Client::at(std::net::Ipv4Addr::from(n).into())
}

const A_WHILE: Duration = PAUSE;

#[test]
fn after_some_wrong_tokens_a_client_is_not_heard_for_a_while() {
    let mut server = Try::new();
    let (one, other) = (client(1), client(2));
    for token in 1..10 {
        assert_eq!(server.show(one, token, token), Worth::Wrong);
        // What is right between them makes nothing undone.
        assert_eq!(server.show(one, RIGHT, token), Worth::Right);
    }
    assert_eq!(server.show(one, 10, 10), Worth::WrongTooOften(A_WHILE));
    for (token, seconds, left) in [(11, 10, 600), (RIGHT, 11, 599), (RIGHT, 609, 1)] {
        let left = Duration::from_secs(left);
        assert_eq!(server.show(one, token, seconds), Worth::Unheard(left));
    }
    // Nobody else is kept out.
    assert_eq!(server.show(other, RIGHT, 11), Worth::Right);
    assert_eq!(server.show(other, 1, 11), Worth::Wrong);
    // Then all begins anew.
    assert_eq!(server.show(one, RIGHT, 610), Worth::Right);
    for token in 1..10 {
        assert_eq!(server.show(one, token, 610), Worth::Wrong);
    }
    assert_eq!(server.show(one, 10, 610), Worth::WrongTooOften(A_WHILE));
}

#[test]
fn who_guesses_slowly_gets_no_further() {
    let mut server = Try::new();
    let mut compared = 0;
    for token in 1..10_000 {
        // One guess every ten seconds, for a day.
        match server.show(client(1), token, token * 10) {
            Worth::Wrong | Worth::WrongTooOften(_) => compared += 1,
            Worth::Unheard(_) => {}
            Worth::Right => panic!("{token}"),
        }
    }
    assert!(compared < 1500, "{compared}");
}

#[test]
fn one_wrong_token_again_and_again_is_no_guess() {
    let mut server = Try::new();
    for seconds in 0..1000 {
        assert_eq!(server.show(client(1), 1, seconds), Worth::Wrong);
        assert_eq!(server.show(client(1), RIGHT, seconds), Worth::Right);
    }
}

#[test]
fn whoever_has_many_addresses_takes_no_memory_and_frees_nobody() {
    let mut server = Try::new();
    for token in 1..=10 {
        server.show(client(1), token, 0);
    }
    for n in 2..=u32::try_from(CLIENTS).unwrap() + 300 {
        assert_eq!(server.show(client(n), 1, 1), Worth::Wrong);
    }
    assert_eq!(server.guessers.0.len(), CLIENTS);
    let unheard = server.show(client(1), RIGHT, 2);
    assert_eq!(unheard, Worth::Unheard(Duration::from_secs(598)));
    // What is over makes room, all at once.
    assert_eq!(server.show(client(u32::MAX), 1, 700), Worth::Wrong);
    assert_eq!(server.guessers.0.len(), 1);
}

#[test]
fn those_who_ask_at_once_are_judged_one_after_the_other() {
    let guesses = Guesses::default();
    let compared = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8_u32 {
            let (guesses, compared) = (&guesses, &compared);
            scope.spawn(move || {
                for n in 0..20_u32 {
                    let token = (thread * 100 + n).to_be_bytes();
                    guesses.judge(client(1), &token, || {
                        compared.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        false
                    });
                }
            });
        }
    });
    assert_eq!(compared.into_inner(), WRONG);
}
