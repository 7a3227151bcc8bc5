use crate::fixture::*;
use nixci::store::*;

#[tokio::test]
async fn explore() {
    for fixture in all() {
        let drvs = fixture.instantiate(r#"[
            (drv "ok" "echo hi; echo ok > $out" {})
            (drv "fails" "echo a; exit 3" {})
            (drv "dep" "echo > $out" { x = drv "fails2" "exit 1" {}; })
            (drv "foreign" "echo > $out" { system = "aarch64-darwin"; })
            (drv "feature" "echo > $out" { requiredSystemFeatures = [ "nope" ]; })
            (drv "fod" "echo > $out" { outputHash = "0000000000000000000000000000000000000000000000000000"; outputHashAlgo = "sha256"; })
            (drv "noout" "echo" { })
            (drv "slow" "nap 30" { })
            (drv "badbuilder" "nap 30" { builder = "/nope"; })
            (drv "multi" "echo > $a; echo > $b" { outputs = ["a" "b"]; })
            (drv "dep-foreign" "echo > $out" { x = drv "foreign2" "exit 1" { system = "aarch64-darwin"; }; })
            ]"#);
        println!("=== {fixture}");
        let mut settings = ClientSettings::default();
        settings.overrides.insert("timeout".into(), "1".into());
        for drv in &drvs {
            let mut c = fixture.open_with(&settings).await;
            let (r, m) = build(&mut c, drv).await;
            match r {
                Ok(r) => println!("{} {:?} {:?}", drv.name(), r.meaning(), r),
                Err(e) => println!("{} ERR {e} {e:?}", drv.name()),
            }
            if ["ok"].contains(&drv.name().trim_end_matches(".drv")) {
                for x in m {
                    println!("    {x:?}");
                }
            }
        }
        let mut settings = ClientSettings::default();
        settings.max_build_jobs = 0;
        let mut c = fixture.open_with(&settings).await;
        let d = fixture.instantiate_one(r#"drv "ok2" "echo hi; echo ok > $out" {}"#);
        println!("maxjobs0 {:?}", build(&mut c, &d).await.0);
        let mut settings = ClientSettings::default();
        settings.max_silent_time = std::time::Duration::from_secs(1);
        let mut c = fixture.open_with(&settings).await;
        println!("silent {:?}", build(&mut c, &drvs[7]).await.0);
        println!("info {:?}", c.query_path_info(&drvs[0]).await);
        println!(
            "{} {} {:?}",
            c.nix_version(),
            c.protocol_version(),
            c.trust()
        );
        let p =
            nixci::nix::StorePath::parse("/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-ok-1.0.drv")
                .unwrap();
        println!("other store {:?}", c.query_path_info(&p).await);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        println!("then {:?}", c.query_path_info(&drvs[0]).await);
        let mut c = fixture.open().await;
        let p = nixci::nix::StorePath::parse(&format!(
            "{}/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-ok-1.0.drv",
            fixture.store.dir().display()
        ))
        .unwrap();
        println!("no drv {:?}", build(&mut c, &p).await.0);
        println!(
            "missing {:?}",
            c.query_missing(&[
                DerivedPath::all_outputs(drvs[0].clone()),
                DerivedPath::all_outputs(drvs[2].clone())
            ])
            .await
        );
        println!(
            "missing unknown {:?}",
            c.query_missing(&[
                DerivedPath::Opaque(p.clone()),
                DerivedPath::all_outputs(p.clone())
            ])
            .await
        );
        println!(
            "valid {:?}",
            c.query_valid_paths(&set(&[drvs[0].clone(), p.clone()]), false)
                .await
        );
        println!("map {:?}", c.query_derivation_output_map(&drvs[9]).await);
        println!("map {:?}", c.query_derivation_output_map(&p).await);
        println!("map {:?}", c.ensure_path(&p, &mut |_| ()).await);
        println!(
            "file {:?}",
            c.read_file(&drvs[0], 10000)
                .await
                .map(|b| String::from_utf8(b))
        );
        println!(
            "file {:?}",
            c.read_file(&p, 10000).await.map(|b| String::from_utf8(b))
        );
        println!(
            "temp {:?}",
            c.add_temp_roots(&[p.clone(), drvs[0].clone()]).await
        );
        println!(
            "indirect {:?}",
            c.add_indirect_root(std::path::Path::new("/tmp/nope")).await
        );
        c.close().await;
    }
}
