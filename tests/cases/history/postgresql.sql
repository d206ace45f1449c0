-- A history of before tables had revisions, as it was left then.
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
CREATE TABLE public.provisioner_leases (
    inventory character varying(63) NOT NULL,
    name character varying(63) NOT NULL,
    content text NOT NULL
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
INSERT INTO public.provisioner_checks VALUES ('test', 4, 'kcl-bg-001', 'relay-1', 'sha256:0000000000000000000000000000000000000000000000000000000000000001', 1620446430000000, 4, 4, 4);
INSERT INTO public.provisioner_documents VALUES ('test', 'run-1', '\x789cab56cac82f2e2956b28a56727ab86b7db2827b66625eba526c2d007c220999');
INSERT INTO public.provisioner_entries VALUES ('test', 1, 'run-1', 'begun', 'apply', 1620442800000000, '{"at":"2021-05-08T03:00:00.000000+00:00","history":"test","hosts":["relay-1","relay-2"],"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":false,"limit":[],"number":1,"operation":"apply","plan":"sha256:p1","run":"run-1","started":"2021-05-08T03:00:00.000000+00:00","step":"begun","tool":"1.2.3","who":{"job":"","machine":"controller","user":"noc"}}', 'sha256:d45248942dacad10974eff619221c5c58de191a10fd4891ffa544a7ef6add693', 'sha256:5627e8f8e9e21d25b7e112d09b0a95d564822dcee484ea8d489bdd566503b4d0');
INSERT INTO public.provisioner_entries VALUES ('test', 2, 'run-1', 'ended', 'apply', 1620442860000000, '{"at":"2021-05-08T03:01:00.000000+00:00","checks":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","document":"sha256:e240170d5ae0add12a34716b323d3699ca5d277e900d0bf261e0eeae47914487","history":"test","holdings":{"relay-1":["2021-05-08T03:00:00.000000+00:00","sha256:9b01a8e38ec8a4cc59f429570ba195fe123ea113c9a4fd3587cf4399107a239e",true]},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":false,"limit":[],"number":2,"operation":"apply","outcome":"applied","plan":"sha256:p1","run":"run-1","started":"2021-05-08T03:00:00.000000+00:00","step":"ended","tool":"1.2.3","who":{"job":"","machine":"controller","user":"noc"}}', 'sha256:5627e8f8e9e21d25b7e112d09b0a95d564822dcee484ea8d489bdd566503b4d0', 'sha256:cf409b06c2fb74c668832a3d6e4db36335a229941342bf65e44c305adc3639c3');
INSERT INTO public.provisioner_entries VALUES ('test', 3, 'run-2', 'begun', 'verify', 1620446400000000, '{"at":"2021-05-08T04:00:00.000000+00:00","history":"test","hosts":[],"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":false,"limit":[],"number":3,"operation":"verify","plan":"","run":"run-2","started":"2021-05-08T04:00:00.000000+00:00","step":"begun","tool":"1.2.3","who":{"job":"","machine":"controller","user":"noc"}}', 'sha256:cf409b06c2fb74c668832a3d6e4db36335a229941342bf65e44c305adc3639c3', 'sha256:e8366307174ec74b51d9732702f56021cc2a2c2c1b8637aca469dab467afb39d');
INSERT INTO public.provisioner_entries VALUES ('test', 4, 'run-2', 'ended', 'verify', 1620446460000000, '{"at":"2021-05-08T04:01:00.000000+00:00","checks":"sha256:4dc20f7da0fec5cd01f4f4ae674451f0777ca6134bb0b204c4bdfd8b0e75c946","document":null,"history":"test","holdings":{},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":false,"limit":[],"number":4,"operation":"verify","outcome":"up","plan":"","run":"run-2","started":"2021-05-08T04:00:00.000000+00:00","step":"ended","tool":"1.2.3","who":{"job":"","machine":"controller","user":"noc"}}', 'sha256:e8366307174ec74b51d9732702f56021cc2a2c2c1b8637aca469dab467afb39d', 'sha256:893798fe721bc5be4d0f29d1b199796adf9cde4dd0a392cddfa41783788be36c');
INSERT INTO public.provisioner_held VALUES ('test', 'sha256:9b01a8e38ec8a4cc59f429570ba195fe123ea113c9a4fd3587cf4399107a239e', 'kcl-bg-001', 'sha256:0000000000000000000000000000000000000000000000000000000000000001');
INSERT INTO public.provisioner_holdings VALUES ('test', 'relay-1', 2, 1620442800000000, 'sha256:9b01a8e38ec8a4cc59f429570ba195fe123ea113c9a4fd3587cf4399107a239e', true);
INSERT INTO public.provisioner_notices VALUES ('test', 'noc', 1620439200000000, '\x789cab56ca2bcd4d4a2d52b232ac05001c720431', '');
INSERT INTO public.provisioner_schema VALUES (1);
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
ALTER TABLE ONLY public.provisioner_leases
    ADD CONSTRAINT provisioner_leases_pkey PRIMARY KEY (inventory, name);
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
