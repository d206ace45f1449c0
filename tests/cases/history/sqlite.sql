-- A history of before tables had revisions, as it was left then.
BEGIN TRANSACTION;
CREATE TABLE provisioner_checks (
	inventory VARCHAR(63) NOT NULL, 
	number BIGINT NOT NULL, 
	facility VARCHAR(63) NOT NULL, 
	relay VARCHAR(63) NOT NULL, 
	content VARCHAR(71) NOT NULL, 
	at BIGINT NOT NULL, 
	pulled INTEGER NOT NULL, 
	checked INTEGER NOT NULL, 
	proved INTEGER NOT NULL, 
	PRIMARY KEY (inventory, number, facility, relay)
);
INSERT INTO "provisioner_checks" VALUES('test',4,'kcl-bg-001','relay-1','sha256:0000000000000000000000000000000000000000000000000000000000000001',1620446430000000,4,4,4);
CREATE TABLE provisioner_commit_states (
	inventory VARCHAR(63) NOT NULL, 
	revision VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	by_itself BOOLEAN NOT NULL, 
	content TEXT NOT NULL, 
	PRIMARY KEY (inventory, revision)
);
CREATE TABLE provisioner_documents (
	inventory VARCHAR(63) NOT NULL, 
	run VARCHAR(63) NOT NULL, 
	packed BLOB NOT NULL, 
	PRIMARY KEY (inventory, run)
);
INSERT INTO "provisioner_documents" VALUES('test','run-1',X'789CAB56CAC82F2E2956B28A56727AB86B7DB2827B66625EBA526C2D007C220999');
CREATE TABLE provisioner_entries (
	inventory VARCHAR(63) NOT NULL, 
	number BIGINT NOT NULL, 
	run VARCHAR(63) NOT NULL, 
	step VARCHAR(15) NOT NULL, 
	operation VARCHAR(31) NOT NULL, 
	at BIGINT NOT NULL, 
	content TEXT NOT NULL, 
	previous VARCHAR(71) NOT NULL, 
	hash VARCHAR(71) NOT NULL, 
	PRIMARY KEY (inventory, number), 
	CONSTRAINT provisioner_entries_once UNIQUE (inventory, run, step), 
	CONSTRAINT provisioner_entries_one_chain UNIQUE (inventory, previous)
);
INSERT INTO "provisioner_entries" VALUES('test',1,'run-1','begun','apply',1620442800000000,'{"at":"2021-05-08T03:00:00.000000+00:00","history":"test","hosts":["relay-1","relay-2"],"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":false,"limit":[],"number":1,"operation":"apply","plan":"sha256:p1","run":"run-1","started":"2021-05-08T03:00:00.000000+00:00","step":"begun","tool":"1.2.3","who":{"job":"","machine":"controller","user":"noc"}}','sha256:d45248942dacad10974eff619221c5c58de191a10fd4891ffa544a7ef6add693','sha256:5627e8f8e9e21d25b7e112d09b0a95d564822dcee484ea8d489bdd566503b4d0');
INSERT INTO "provisioner_entries" VALUES('test',2,'run-1','ended','apply',1620442860000000,'{"at":"2021-05-08T03:01:00.000000+00:00","checks":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","document":"sha256:e240170d5ae0add12a34716b323d3699ca5d277e900d0bf261e0eeae47914487","history":"test","holdings":{"relay-1":["2021-05-08T03:00:00.000000+00:00","sha256:9b01a8e38ec8a4cc59f429570ba195fe123ea113c9a4fd3587cf4399107a239e",true]},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":false,"limit":[],"number":2,"operation":"apply","outcome":"applied","plan":"sha256:p1","run":"run-1","started":"2021-05-08T03:00:00.000000+00:00","step":"ended","tool":"1.2.3","who":{"job":"","machine":"controller","user":"noc"}}','sha256:5627e8f8e9e21d25b7e112d09b0a95d564822dcee484ea8d489bdd566503b4d0','sha256:cf409b06c2fb74c668832a3d6e4db36335a229941342bf65e44c305adc3639c3');
INSERT INTO "provisioner_entries" VALUES('test',3,'run-2','begun','verify',1620446400000000,'{"at":"2021-05-08T04:00:00.000000+00:00","history":"test","hosts":[],"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":false,"limit":[],"number":3,"operation":"verify","plan":"","run":"run-2","started":"2021-05-08T04:00:00.000000+00:00","step":"begun","tool":"1.2.3","who":{"job":"","machine":"controller","user":"noc"}}','sha256:cf409b06c2fb74c668832a3d6e4db36335a229941342bf65e44c305adc3639c3','sha256:e8366307174ec74b51d9732702f56021cc2a2c2c1b8637aca469dab467afb39d');
INSERT INTO "provisioner_entries" VALUES('test',4,'run-2','ended','verify',1620446460000000,'{"at":"2021-05-08T04:01:00.000000+00:00","checks":"sha256:4dc20f7da0fec5cd01f4f4ae674451f0777ca6134bb0b204c4bdfd8b0e75c946","document":null,"history":"test","holdings":{},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":false,"limit":[],"number":4,"operation":"verify","outcome":"up","plan":"","run":"run-2","started":"2021-05-08T04:00:00.000000+00:00","step":"ended","tool":"1.2.3","who":{"job":"","machine":"controller","user":"noc"}}','sha256:e8366307174ec74b51d9732702f56021cc2a2c2c1b8637aca469dab467afb39d','sha256:893798fe721bc5be4d0f29d1b199796adf9cde4dd0a392cddfa41783788be36c');
CREATE TABLE provisioner_events (
	inventory VARCHAR(63) NOT NULL, 
	run VARCHAR(63) NOT NULL, 
	sequence BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	host VARCHAR(63) NOT NULL, 
	step VARCHAR(63) NOT NULL, 
	"before" TEXT, 
	"after" TEXT, 
	PRIMARY KEY (inventory, run, sequence)
);
CREATE TABLE provisioner_held (
	inventory VARCHAR(63) NOT NULL, 
	digest VARCHAR(71) NOT NULL, 
	facility VARCHAR(63) NOT NULL, 
	content VARCHAR(71) NOT NULL, 
	PRIMARY KEY (inventory, digest, facility)
);
INSERT INTO "provisioner_held" VALUES('test','sha256:9b01a8e38ec8a4cc59f429570ba195fe123ea113c9a4fd3587cf4399107a239e','kcl-bg-001','sha256:0000000000000000000000000000000000000000000000000000000000000001');
CREATE TABLE provisioner_holdings (
	inventory VARCHAR(63) NOT NULL, 
	host VARCHAR(63) NOT NULL, 
	number BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	held VARCHAR(71), 
	exact BOOLEAN NOT NULL, 
	PRIMARY KEY (inventory, host, number)
);
INSERT INTO "provisioner_holdings" VALUES('test','relay-1',2,1620442800000000,'sha256:9b01a8e38ec8a4cc59f429570ba195fe123ea113c9a4fd3587cf4399107a239e',1);
CREATE TABLE provisioner_leases (
	inventory VARCHAR(63) NOT NULL, 
	name VARCHAR(63) NOT NULL, 
	content TEXT NOT NULL, 
	PRIMARY KEY (inventory, name)
);
CREATE TABLE provisioner_month_sums (
	inventory VARCHAR(63) NOT NULL, 
	province VARCHAR(63) NOT NULL, 
	"begin" BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	since BIGINT NOT NULL, 
	rows BIGINT NOT NULL, 
	newest BIGINT NOT NULL, 
	"of" VARCHAR(71) NOT NULL, 
	packed BLOB NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (inventory, province, "begin")
);
CREATE TABLE provisioner_notices (
	inventory VARCHAR(63) NOT NULL, 
	receiver VARCHAR(63) NOT NULL, 
	at BIGINT NOT NULL, 
	packed BLOB NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (inventory, receiver)
);
INSERT INTO "provisioner_notices" VALUES('test','noc',1620439200000000,X'789CAB56CA2BCD4D4A2D52B232AC05001C720431','');
CREATE TABLE provisioner_path_lists (
	inventory VARCHAR(63) NOT NULL, 
	digest VARCHAR(71) NOT NULL, 
	packed BLOB NOT NULL, 
	PRIMARY KEY (inventory, digest)
);
CREATE TABLE provisioner_path_memories (
	inventory VARCHAR(63) NOT NULL, 
	path VARCHAR(255) NOT NULL, 
	at BIGINT NOT NULL, 
	content TEXT NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (inventory, path)
);
CREATE TABLE provisioner_schema (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "provisioner_schema" VALUES(1);
CREATE TABLE provisioner_seals (
	inventory VARCHAR(63) NOT NULL, 
	number BIGINT NOT NULL, 
	seal TEXT NOT NULL, 
	signature TEXT NOT NULL, 
	PRIMARY KEY (inventory, number)
);
CREATE TABLE provisioner_verdicts (
	inventory VARCHAR(63) NOT NULL, 
	province VARCHAR(63) NOT NULL, 
	at BIGINT NOT NULL, 
	number BIGINT NOT NULL, 
	run VARCHAR(63) NOT NULL, 
	paths VARCHAR(71) NOT NULL, 
	marks BLOB NOT NULL, 
	causes BLOB NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (inventory, province, at, number)
);
CREATE TABLE provisioner_view_references (
	inventory VARCHAR(63) NOT NULL, 
	number BIGINT NOT NULL, 
	path VARCHAR(255) NOT NULL, 
	at BIGINT NOT NULL, 
	content TEXT NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (inventory, number)
);
CREATE INDEX provisioner_checks_by_content ON provisioner_checks (inventory, facility, content, at, pulled, proved, number);
CREATE INDEX provisioner_checks_by_relay ON provisioner_checks (inventory, facility, relay, number);
CREATE INDEX provisioner_view_references_by_path ON provisioner_view_references (inventory, path, number);
CREATE INDEX provisioner_verdicts_by_entry ON provisioner_verdicts (inventory, number);
COMMIT;
