-- A history of revision 2 with sums of April and May of 2021, as a version that made them left it.
CREATE TABLE public.provisioner_checks (
    inventory character varying(63) NOT NULL,
    number bigint NOT NULL,
    facility character varying(63) NOT NULL,
    relay character varying(63) NOT NULL,
    content character varying(71) NOT NULL,
    at bigint NOT NULL,
    pulled integer NOT NULL,
    checked integer NOT NULL,
    proved integer NOT NULL
);
CREATE TABLE public.provisioner_commit_states (
    inventory character varying(63) NOT NULL,
    revision character varying(64) NOT NULL,
    at bigint NOT NULL,
    by_itself boolean NOT NULL,
    content text NOT NULL
);
CREATE TABLE public.provisioner_documents (
    inventory character varying(63) NOT NULL,
    run character varying(63) NOT NULL,
    packed bytea NOT NULL
);
CREATE TABLE public.provisioner_entries (
    inventory character varying(63) NOT NULL,
    number bigint NOT NULL,
    run character varying(63) NOT NULL,
    step character varying(15) NOT NULL,
    operation character varying(31) NOT NULL,
    at bigint NOT NULL,
    content text NOT NULL,
    previous character varying(71) NOT NULL,
    hash character varying(71) NOT NULL
);
CREATE TABLE public.provisioner_events (
    inventory character varying(63) NOT NULL,
    run character varying(63) NOT NULL,
    sequence bigint NOT NULL,
    at bigint NOT NULL,
    host character varying(63) NOT NULL,
    step character varying(63) NOT NULL,
    before text,
    after text
);
CREATE TABLE public.provisioner_held (
    inventory character varying(63) NOT NULL,
    digest character varying(71) NOT NULL,
    facility character varying(63) NOT NULL,
    content character varying(71) NOT NULL
);
CREATE TABLE public.provisioner_holdings (
    inventory character varying(63) NOT NULL,
    host character varying(63) NOT NULL,
    number bigint NOT NULL,
    at bigint NOT NULL,
    held character varying(71),
    exact boolean NOT NULL
);
CREATE TABLE public.provisioner_host_epochs (
    inventory character varying(63) NOT NULL,
    host character varying(63) NOT NULL,
    number bigint NOT NULL,
    run character varying(63) NOT NULL,
    at bigint NOT NULL
);
CREATE TABLE public.provisioner_leases (
    inventory character varying(63) NOT NULL,
    name character varying(63) NOT NULL,
    content text NOT NULL
);
CREATE TABLE public.provisioner_migrations (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.provisioner_month_sums (
    inventory character varying(63) NOT NULL,
    province character varying(63) NOT NULL,
    begin bigint NOT NULL,
    until bigint NOT NULL,
    since bigint NOT NULL,
    rows bigint NOT NULL,
    newest bigint NOT NULL,
    of character varying(71) NOT NULL,
    packed bytea NOT NULL,
    seal text NOT NULL
);
CREATE TABLE public.provisioner_notices (
    inventory character varying(63) NOT NULL,
    receiver character varying(63) NOT NULL,
    at bigint NOT NULL,
    packed bytea NOT NULL,
    seal text NOT NULL
);
CREATE TABLE public.provisioner_path_lists (
    inventory character varying(63) NOT NULL,
    digest character varying(71) NOT NULL,
    packed bytea NOT NULL
);
CREATE TABLE public.provisioner_path_memories (
    inventory character varying(63) NOT NULL,
    path character varying(255) NOT NULL,
    at bigint NOT NULL,
    content text NOT NULL,
    seal text NOT NULL
);
CREATE TABLE public.provisioner_schema (
    version integer NOT NULL
);
CREATE TABLE public.provisioner_seals (
    inventory character varying(63) NOT NULL,
    number bigint NOT NULL,
    seal text NOT NULL,
    signature text NOT NULL
);
CREATE TABLE public.provisioner_verdicts (
    inventory character varying(63) NOT NULL,
    province character varying(63) NOT NULL,
    at bigint NOT NULL,
    number bigint NOT NULL,
    run character varying(63) NOT NULL,
    paths character varying(71) NOT NULL,
    marks bytea NOT NULL,
    causes bytea NOT NULL,
    seal text NOT NULL
);
CREATE TABLE public.provisioner_view_references (
    inventory character varying(63) NOT NULL,
    number bigint NOT NULL,
    path character varying(255) NOT NULL,
    at bigint NOT NULL,
    content text NOT NULL,
    seal text NOT NULL
);
INSERT INTO public.provisioner_entries VALUES ('example', 1, 'run-1', 'ended', 'verify', 1617217200000000, '{"at":"2021-03-31T19:00:00.000000+00:00","checks":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","document":null,"history":"example","holdings":{},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":true,"limit":[],"number":1,"operation":"verify","outcome":"up","plan":"","run":"run-1","started":"2021-03-31T18:59:00.000000+00:00","step":"ended","tool":"1.2.3","verdicts":"sha256:8d5b014464e754efb58b57acd267519c4b5965bd93f999b39619bd6dbd36901b","who":{"job":"","machine":"controller","user":"noc"}}', 'sha256:9b93a16df34eeccd59051294901a3f37c9324e382ae5f6c7eff7decb856308a0', 'sha256:a7228addc48acc6a9c90b47c5cf867c7eab39ea30ead85e1597cb9a51d7462bd');
INSERT INTO public.provisioner_entries VALUES ('example', 2, 'run-2', 'ended', 'verify', 1618426800000000, '{"at":"2021-04-14T19:00:00.000000+00:00","checks":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","document":null,"history":"example","holdings":{},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":true,"limit":[],"number":2,"operation":"verify","outcome":"up","plan":"","run":"run-2","started":"2021-04-14T18:59:00.000000+00:00","step":"ended","tool":"1.2.3","verdicts":"sha256:e930a8586ada2b619043c9ef37589ba9a55cdaf2f62c9d691453df838756c5a7","who":{"job":"","machine":"controller","user":"noc"}}', 'sha256:a7228addc48acc6a9c90b47c5cf867c7eab39ea30ead85e1597cb9a51d7462bd', 'sha256:26ecca70a0270c95b56e530b7ededafa519410cbcd913476fc7b8ad88f4ec023');
INSERT INTO public.provisioner_entries VALUES ('example', 3, 'run-3', 'ended', 'verify', 1619722800000000, '{"at":"2021-04-29T19:00:00.000000+00:00","checks":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","document":null,"history":"example","holdings":{},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":true,"limit":[],"number":3,"operation":"verify","outcome":"up","plan":"","run":"run-3","started":"2021-04-29T18:59:00.000000+00:00","step":"ended","tool":"1.2.3","verdicts":"sha256:6f78c8adaa60e596ace3416eb26f976a2933a156ee251c3a45cf0258c1310683","who":{"job":"","machine":"controller","user":"noc"}}', 'sha256:26ecca70a0270c95b56e530b7ededafa519410cbcd913476fc7b8ad88f4ec023', 'sha256:7b74a00d841f53d5508dc0b6895cb1dc103f60d05b9f4a672a707ce667cc439c');
INSERT INTO public.provisioner_entries VALUES ('example', 4, 'run-4', 'ended', 'verify', 1619809200000000, '{"at":"2021-04-30T19:00:00.000000+00:00","checks":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","document":null,"history":"example","holdings":{},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":true,"limit":[],"number":4,"operation":"verify","outcome":"up","plan":"","run":"run-4","started":"2021-04-30T18:59:00.000000+00:00","step":"ended","tool":"1.2.3","verdicts":"sha256:7ff6a8a7ccbcd7b48e6bd64a4b4dca6c98026f7364b3280ffda5e921a341b377","who":{"job":"","machine":"controller","user":"noc"}}', 'sha256:7b74a00d841f53d5508dc0b6895cb1dc103f60d05b9f4a672a707ce667cc439c', 'sha256:fa20ecbb5d4d3c37058c7c113dbbaf62b1822581aa8cdf0637033f9324abbc00');
INSERT INTO public.provisioner_entries VALUES ('example', 5, 'run-5', 'ended', 'verify', 1621105200000000, '{"at":"2021-05-15T19:00:00.000000+00:00","checks":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","document":null,"history":"example","holdings":{},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":true,"limit":[],"number":5,"operation":"verify","outcome":"up","plan":"","run":"run-5","started":"2021-05-15T18:59:00.000000+00:00","step":"ended","tool":"1.2.3","verdicts":"sha256:b5a11993b401cccde69da85f9aad1024a19e541f7aea62f2d68c094a3f2c69cf","who":{"job":"","machine":"controller","user":"noc"}}', 'sha256:fa20ecbb5d4d3c37058c7c113dbbaf62b1822581aa8cdf0637033f9324abbc00', 'sha256:963f3154e004267fe959b55059bc09e0caa1027f7103e8c2f764c5f6822aea37');
INSERT INTO public.provisioner_entries VALUES ('example', 6, 'run-6', 'ended', 'verify', 1622401200000000, '{"at":"2021-05-30T19:00:00.000000+00:00","checks":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","document":null,"history":"example","holdings":{},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":true,"limit":[],"number":6,"operation":"verify","outcome":"up","plan":"","run":"run-6","started":"2021-05-30T18:59:00.000000+00:00","step":"ended","tool":"1.2.3","verdicts":"sha256:ee0102b8988d562766469fd4611b1d699b23eec304a2296b7f54e3e0798288ea","who":{"job":"","machine":"controller","user":"noc"}}', 'sha256:963f3154e004267fe959b55059bc09e0caa1027f7103e8c2f764c5f6822aea37', 'sha256:5a4a135342980fc330bee34e0fba74826fa80e79277075d69c16e5ff484cb1aa');
INSERT INTO public.provisioner_migrations VALUES ('2');
INSERT INTO public.provisioner_month_sums VALUES ('example', 'bac-giang', 1619802000000000, 1622480400000000, 1619708400000000, 4, 6, 'sha256:ca64fe09fbc4e3bab286b02b35e2b771edd674f9ca8b27f9dc8a7aba0f0031e4', '\x789cab56cac92c2ec9cc4b57b2522ace48343235b33232b5304831b0484a31324a4a31304d35344a4c4a494a4c36324d344a494cb43435b3484932364d32b43030b034494936364c31344b34324cb2483634484c3353aae562f0505fcbc800041bae6cb667c00232d6b2d96113870266343e00555a1d9d', 'hmac-sha256:367f63b227e369b0:e287197fbb23808cf93bfa0004616d4300879922704bfc7a0d1c9a5f2904cbb5');
INSERT INTO public.provisioner_month_sums VALUES ('example', 'hai-duong', 1619802000000000, 1622480400000000, 1619708400000000, 4, 6, 'sha256:08a67b4d42d741588ac40aea09030fdd2586552b740b8fecfd848847e5f81c4a', '\x789c85c6c10d80200c0040df8ed1092ad096f871965a40498c1ffd197732711507d20dbcd71db0d46dafeb043d6cb33ae23e8c98388820aa27138b85a351b4a22950ce3177ae73628ac5d807322576842c22a3ff8a70b6cdf5dc43f3ef055e261a39', 'hmac-sha256:367f63b227e369b0:69824656d3eb843439aa0570a567fca02cd6ef6970dedf8b86b513a9a5d7eaea');
INSERT INTO public.provisioner_month_sums VALUES ('example', 'bac-giang', 1617210000000000, 1619802000000000, 1617116400000000, 3, 3, 'sha256:b6f2ebb604bb7d122579d8c54f37e2a1598de434b860358252c80782ad1f4c73', '\x789ca5c5b90d80300c00402a0ac6c804b6832393825dec984f4234d0214662476898806bee0cebb21fcb36851cf659895326167010732273e00149cd4d0bb192ab769cc42db2a10074ad97888e49094d0a828e295c4d35df755fbdbe7f7a00dc451b60', 'hmac-sha256:367f63b227e369b0:1d64a6be408e94fff2cfbbcc6984cee806ea3891dedd2dace4c1427cba85a5f6');
INSERT INTO public.provisioner_month_sums VALUES ('example', 'hai-duong', 1617210000000000, 1619802000000000, 1617116400000000, 3, 3, 'sha256:22ef1efa6045cafead956cdcb7a49d5e6031433257879a60c2b3755b9ed87cc9', '\x789c85c6b11180200c00402b0bc760820824e12cdc250410ee3c1bec3c477247ddc0affe327beb673b36b3985ec5222d3e4222cf0c200e9535140a8a418b248f39873cdbd9b20a1425e75105c922103347f715cc3d0df519d7e1df0b343f191c', 'hmac-sha256:367f63b227e369b0:067e6925a1859828d1e54450f0870b3f95c1103f94462cab6edd4c1e250c46a5');
INSERT INTO public.provisioner_path_lists VALUES ('example', 'sha256:2580d08bd22bd05e12abdbac25a2daa9568db35b180094dc31d16a21b8c10af6', '\x78da4b4a4cd64dcf4ccc4bd7cf4eced1353030d44f4eccd50552c5a5499c6599a92525a9395c49688a8c5014e515940000274116b1');
INSERT INTO public.provisioner_path_lists VALUES ('example', 'sha256:4b0d647700a35c7c8f68c58cfad45ee8e12127ca0fc6345ca562506777b35620', '\x78dacb48ccd44d29cdcf4bd7cf4eced1353030d64f4eccd53530d42f2e4de22ccb4c2d2949cd0100ddd20c13');
INSERT INTO public.provisioner_schema VALUES (1);
INSERT INTO public.provisioner_seals VALUES ('example', 1, 'hmac-sha256:367f63b227e369b0:82e01e6763bf18d0bbb60a61f38e6ddeb5d07d5a360670b9fe053eea5b16e6ee', '');
INSERT INTO public.provisioner_seals VALUES ('example', 2, 'hmac-sha256:367f63b227e369b0:994e76f9f694eac0c4faf671d7cce2a5efe02b0a6e3dabfe83b1ed141c0625fc', '');
INSERT INTO public.provisioner_seals VALUES ('example', 3, 'hmac-sha256:367f63b227e369b0:5f9d70a94c6ea4a8c0435885f5efcdb70d98cd98563aba9f16185869fa67a2d5', '');
INSERT INTO public.provisioner_seals VALUES ('example', 4, 'hmac-sha256:367f63b227e369b0:bd9f05fd662938130362b8565041954096d4f832fd8d63e2df3e4a480f5ac2ba', '');
INSERT INTO public.provisioner_seals VALUES ('example', 5, 'hmac-sha256:367f63b227e369b0:61795d8b89cfa7ad096982377e0e827c77c342b52e0e192388c7fb9870330dbd', '');
INSERT INTO public.provisioner_seals VALUES ('example', 6, 'hmac-sha256:367f63b227e369b0:bbc3c801538e0fdf4619c8289e30bd56cc04c038b90da7e9546e69e8df0dd0eb', '');
INSERT INTO public.provisioner_verdicts VALUES ('example', 'bac-giang', 1617217200000000, 1, 'run-1', 'sha256:2580d08bd22bd05e12abdbac25a2daa9568db35b180094dc31d16a21b8c10af6', '\x78da2b280000015200e1', '\x78da8b56528ae562600000058c0107', 'hmac-sha256:367f63b227e369b0:f73b6a16db8033d1ba35740ec947509ae748023230f0f3839a2b391e4f15afae');
INSERT INTO public.provisioner_verdicts VALUES ('example', 'hai-duong', 1617217200000000, 1, 'run-1', 'sha256:4b0d647700a35c7c8f68c58cfad45ee8e12127ca0fc6345ca562506777b35620', '\x78da2b000000710071', '\x78da8b56528ae562000004850107', 'hmac-sha256:367f63b227e369b0:7a4e619aa24456d6493b78580898863a8192102cd0954be92fb3a86b0041ba39');
INSERT INTO public.provisioner_verdicts VALUES ('example', 'bac-giang', 1618426800000000, 2, 'run-2', 'sha256:2580d08bd22bd05e12abdbac25a2daa9568db35b180094dc31d16a21b8c10af6', '\x78da2b280000015200e1', '\x78da8b56528ae562600000058c0107', 'hmac-sha256:367f63b227e369b0:248cba2d6cf73468c35c6d23eb705ab0c4fd067946d878c10161183d6d4d3557');
INSERT INTO public.provisioner_verdicts VALUES ('example', 'hai-duong', 1618426800000000, 2, 'run-2', 'sha256:4b0d647700a35c7c8f68c58cfad45ee8e12127ca0fc6345ca562506777b35620', '\x78da2b000000710071', '\x78da8b56528ae562000004850107', 'hmac-sha256:367f63b227e369b0:a22575fd428a3491b56d001311180f91c5cf0c30cb64d106a35e27fc2c614a89');
INSERT INTO public.provisioner_verdicts VALUES ('example', 'bac-giang', 1619722800000000, 3, 'run-3', 'sha256:2580d08bd22bd05e12abdbac25a2daa9568db35b180094dc31d16a21b8c10af6', '\x78da2b280000015200e1', '\x78da8b56528ae562600000058c0107', 'hmac-sha256:367f63b227e369b0:bda121a45a6a9301fdcfb511918a3cbdab5572d4846225d1349e9885702246b2');
INSERT INTO public.provisioner_verdicts VALUES ('example', 'hai-duong', 1619722800000000, 3, 'run-3', 'sha256:4b0d647700a35c7c8f68c58cfad45ee8e12127ca0fc6345ca562506777b35620', '\x78da2b000000710071', '\x78da8b56528ae562000004850107', 'hmac-sha256:367f63b227e369b0:3b108fa2ef7f007a0536695c4d5128e270a4833bfb2068796d54068a5aea962b');
INSERT INTO public.provisioner_verdicts VALUES ('example', 'bac-giang', 1619809200000000, 4, 'run-4', 'sha256:2580d08bd22bd05e12abdbac25a2daa9568db35b180094dc31d16a21b8c10af6', '\x78da532a000000b60093', '\x78da8b5652d2514a4ecc4d2d4a5428cd2bc8294d4f4f4d518ae5626400006dc207cc', 'hmac-sha256:367f63b227e369b0:8a6af3daf15a5711c3f138af13bd97ccf51f1bdbddd6d85c6b40dd52b694cff3');
INSERT INTO public.provisioner_verdicts VALUES ('example', 'hai-duong', 1619809200000000, 4, 'run-4', 'sha256:4b0d647700a35c7c8f68c58cfad45ee8e12127ca0fc6345ca562506777b35620', '\x78da2b000000710071', '\x78da8b56528ae562000004850107', 'hmac-sha256:367f63b227e369b0:d6c385c8a79e5d5dbd86097301318f6fe0b4e931b228e10de7304600d5019037');
INSERT INTO public.provisioner_verdicts VALUES ('example', 'bac-giang', 1621105200000000, 5, 'run-5', 'sha256:2580d08bd22bd05e12abdbac25a2daa9568db35b180094dc31d16a21b8c10af6', '\x78da532a000000b60093', '\x78da8b5652d2514a4ecc4d2d4a5428cd2bc8294d4f4f4d518ae5626400006dc207cc', 'hmac-sha256:367f63b227e369b0:01286f0dcb438426fceb8305ef15f96b53a5d8049accd7a14351c136d2c9d2f5');
INSERT INTO public.provisioner_verdicts VALUES ('example', 'hai-duong', 1621105200000000, 5, 'run-5', 'sha256:4b0d647700a35c7c8f68c58cfad45ee8e12127ca0fc6345ca562506777b35620', '\x78da2b000000710071', '\x78da8b56528ae562000004850107', 'hmac-sha256:367f63b227e369b0:79d0f570fec27834be67e9f6057b0eb63dbbac19585616966fa11b6dbb43e063');
INSERT INTO public.provisioner_verdicts VALUES ('example', 'bac-giang', 1622401200000000, 6, 'run-6', 'sha256:2580d08bd22bd05e12abdbac25a2daa9568db35b180094dc31d16a21b8c10af6', '\x78da532a000000b60093', '\x78da8b5652d2514a4ecc4d2d4a5428cd2bc8294d4f4f4d518ae5626400006dc207cc', 'hmac-sha256:367f63b227e369b0:9af7c7946fd09f5c12373e0bcaacaf17531b6df81be6f947dd8faaada004601f');
INSERT INTO public.provisioner_verdicts VALUES ('example', 'hai-duong', 1622401200000000, 6, 'run-6', 'sha256:4b0d647700a35c7c8f68c58cfad45ee8e12127ca0fc6345ca562506777b35620', '\x78da2b000000710071', '\x78da8b56528ae562000004850107', 'hmac-sha256:367f63b227e369b0:0aaaaa5d89c1443fe7425bbbf3fad53441178d6db0780f887bc1f3c8280477aa');
ALTER TABLE ONLY public.provisioner_checks
    ADD CONSTRAINT provisioner_checks_pkey PRIMARY KEY (inventory, number, facility, relay);
ALTER TABLE ONLY public.provisioner_commit_states
    ADD CONSTRAINT provisioner_commit_states_pkey PRIMARY KEY (inventory, revision);
ALTER TABLE ONLY public.provisioner_documents
    ADD CONSTRAINT provisioner_documents_pkey PRIMARY KEY (inventory, run);
ALTER TABLE ONLY public.provisioner_entries
    ADD CONSTRAINT provisioner_entries_once UNIQUE (inventory, run, step);
ALTER TABLE ONLY public.provisioner_entries
    ADD CONSTRAINT provisioner_entries_one_chain UNIQUE (inventory, previous);
ALTER TABLE ONLY public.provisioner_entries
    ADD CONSTRAINT provisioner_entries_pkey PRIMARY KEY (inventory, number);
ALTER TABLE ONLY public.provisioner_events
    ADD CONSTRAINT provisioner_events_pkey PRIMARY KEY (inventory, run, sequence);
ALTER TABLE ONLY public.provisioner_held
    ADD CONSTRAINT provisioner_held_pkey PRIMARY KEY (inventory, digest, facility);
ALTER TABLE ONLY public.provisioner_holdings
    ADD CONSTRAINT provisioner_holdings_pkey PRIMARY KEY (inventory, host, number);
ALTER TABLE ONLY public.provisioner_host_epochs
    ADD CONSTRAINT provisioner_host_epochs_pkey PRIMARY KEY (inventory, host);
ALTER TABLE ONLY public.provisioner_leases
    ADD CONSTRAINT provisioner_leases_pkey PRIMARY KEY (inventory, name);
ALTER TABLE ONLY public.provisioner_migrations
    ADD CONSTRAINT provisioner_migrations_pkey PRIMARY KEY (version_num);
ALTER TABLE ONLY public.provisioner_month_sums
    ADD CONSTRAINT provisioner_month_sums_pkey PRIMARY KEY (inventory, province, begin);
ALTER TABLE ONLY public.provisioner_notices
    ADD CONSTRAINT provisioner_notices_pkey PRIMARY KEY (inventory, receiver);
ALTER TABLE ONLY public.provisioner_path_lists
    ADD CONSTRAINT provisioner_path_lists_pkey PRIMARY KEY (inventory, digest);
ALTER TABLE ONLY public.provisioner_path_memories
    ADD CONSTRAINT provisioner_path_memories_pkey PRIMARY KEY (inventory, path);
ALTER TABLE ONLY public.provisioner_schema
    ADD CONSTRAINT provisioner_schema_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.provisioner_seals
    ADD CONSTRAINT provisioner_seals_pkey PRIMARY KEY (inventory, number);
ALTER TABLE ONLY public.provisioner_verdicts
    ADD CONSTRAINT provisioner_verdicts_pkey PRIMARY KEY (inventory, province, at, number);
ALTER TABLE ONLY public.provisioner_view_references
    ADD CONSTRAINT provisioner_view_references_pkey PRIMARY KEY (inventory, number);
CREATE INDEX provisioner_checks_by_content ON public.provisioner_checks USING btree (inventory, facility, content, at, pulled, proved, number);
CREATE INDEX provisioner_checks_by_relay ON public.provisioner_checks USING btree (inventory, facility, relay, number);
CREATE INDEX provisioner_verdicts_by_entry ON public.provisioner_verdicts USING btree (inventory, number);
CREATE INDEX provisioner_view_references_by_path ON public.provisioner_view_references USING btree (inventory, path, number);
