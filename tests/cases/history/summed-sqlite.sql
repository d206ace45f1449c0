-- A history of revision 2 with sums of April and May of 2021, as a version that made them left it.
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
INSERT INTO "provisioner_entries" VALUES('example',1,'run-1','ended','verify',1617217200000000,'{"at":"2021-03-31T19:00:00.000000+00:00","checks":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","document":null,"history":"example","holdings":{},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":true,"limit":[],"number":1,"operation":"verify","outcome":"up","plan":"","run":"run-1","started":"2021-03-31T18:59:00.000000+00:00","step":"ended","tool":"1.2.3","verdicts":"sha256:8d5b014464e754efb58b57acd267519c4b5965bd93f999b39619bd6dbd36901b","who":{"job":"","machine":"controller","user":"noc"}}','sha256:9b93a16df34eeccd59051294901a3f37c9324e382ae5f6c7eff7decb856308a0','sha256:a7228addc48acc6a9c90b47c5cf867c7eab39ea30ead85e1597cb9a51d7462bd');
INSERT INTO "provisioner_entries" VALUES('example',2,'run-2','ended','verify',1618426800000000,'{"at":"2021-04-14T19:00:00.000000+00:00","checks":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","document":null,"history":"example","holdings":{},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":true,"limit":[],"number":2,"operation":"verify","outcome":"up","plan":"","run":"run-2","started":"2021-04-14T18:59:00.000000+00:00","step":"ended","tool":"1.2.3","verdicts":"sha256:e930a8586ada2b619043c9ef37589ba9a55cdaf2f62c9d691453df838756c5a7","who":{"job":"","machine":"controller","user":"noc"}}','sha256:a7228addc48acc6a9c90b47c5cf867c7eab39ea30ead85e1597cb9a51d7462bd','sha256:26ecca70a0270c95b56e530b7ededafa519410cbcd913476fc7b8ad88f4ec023');
INSERT INTO "provisioner_entries" VALUES('example',3,'run-3','ended','verify',1619722800000000,'{"at":"2021-04-29T19:00:00.000000+00:00","checks":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","document":null,"history":"example","holdings":{},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":true,"limit":[],"number":3,"operation":"verify","outcome":"up","plan":"","run":"run-3","started":"2021-04-29T18:59:00.000000+00:00","step":"ended","tool":"1.2.3","verdicts":"sha256:6f78c8adaa60e596ace3416eb26f976a2933a156ee251c3a45cf0258c1310683","who":{"job":"","machine":"controller","user":"noc"}}','sha256:26ecca70a0270c95b56e530b7ededafa519410cbcd913476fc7b8ad88f4ec023','sha256:7b74a00d841f53d5508dc0b6895cb1dc103f60d05b9f4a672a707ce667cc439c');
INSERT INTO "provisioner_entries" VALUES('example',4,'run-4','ended','verify',1619809200000000,'{"at":"2021-04-30T19:00:00.000000+00:00","checks":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","document":null,"history":"example","holdings":{},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":true,"limit":[],"number":4,"operation":"verify","outcome":"up","plan":"","run":"run-4","started":"2021-04-30T18:59:00.000000+00:00","step":"ended","tool":"1.2.3","verdicts":"sha256:7ff6a8a7ccbcd7b48e6bd64a4b4dca6c98026f7364b3280ffda5e921a341b377","who":{"job":"","machine":"controller","user":"noc"}}','sha256:7b74a00d841f53d5508dc0b6895cb1dc103f60d05b9f4a672a707ce667cc439c','sha256:fa20ecbb5d4d3c37058c7c113dbbaf62b1822581aa8cdf0637033f9324abbc00');
INSERT INTO "provisioner_entries" VALUES('example',5,'run-5','ended','verify',1621105200000000,'{"at":"2021-05-15T19:00:00.000000+00:00","checks":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","document":null,"history":"example","holdings":{},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":true,"limit":[],"number":5,"operation":"verify","outcome":"up","plan":"","run":"run-5","started":"2021-05-15T18:59:00.000000+00:00","step":"ended","tool":"1.2.3","verdicts":"sha256:b5a11993b401cccde69da85f9aad1024a19e541f7aea62f2d68c094a3f2c69cf","who":{"job":"","machine":"controller","user":"noc"}}','sha256:fa20ecbb5d4d3c37058c7c113dbbaf62b1822581aa8cdf0637033f9324abbc00','sha256:963f3154e004267fe959b55059bc09e0caa1027f7103e8c2f764c5f6822aea37');
INSERT INTO "provisioner_entries" VALUES('example',6,'run-6','ended','verify',1622401200000000,'{"at":"2021-05-30T19:00:00.000000+00:00","checks":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","document":null,"history":"example","holdings":{},"inventory":{"commit":"c0ffee","digest":"sha256:d1"},"keyed":true,"limit":[],"number":6,"operation":"verify","outcome":"up","plan":"","run":"run-6","started":"2021-05-30T18:59:00.000000+00:00","step":"ended","tool":"1.2.3","verdicts":"sha256:ee0102b8988d562766469fd4611b1d699b23eec304a2296b7f54e3e0798288ea","who":{"job":"","machine":"controller","user":"noc"}}','sha256:963f3154e004267fe959b55059bc09e0caa1027f7103e8c2f764c5f6822aea37','sha256:5a4a135342980fc330bee34e0fba74826fa80e79277075d69c16e5ff484cb1aa');
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
CREATE TABLE provisioner_holdings (
	inventory VARCHAR(63) NOT NULL, 
	host VARCHAR(63) NOT NULL, 
	number BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	held VARCHAR(71), 
	exact BOOLEAN NOT NULL, 
	PRIMARY KEY (inventory, host, number)
);
CREATE TABLE provisioner_host_epochs (
	inventory VARCHAR(63) NOT NULL, 
	host VARCHAR(63) NOT NULL, 
	number BIGINT NOT NULL, 
	run VARCHAR(63) NOT NULL, 
	at BIGINT NOT NULL, 
	PRIMARY KEY (inventory, host)
);
CREATE TABLE provisioner_leases (
	inventory VARCHAR(63) NOT NULL, 
	name VARCHAR(63) NOT NULL, 
	content TEXT NOT NULL, 
	PRIMARY KEY (inventory, name)
);
CREATE TABLE provisioner_migrations (
	version_num VARCHAR(32) NOT NULL, 
	PRIMARY KEY (version_num)
);
INSERT INTO "provisioner_migrations" VALUES('2');
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
INSERT INTO "provisioner_month_sums" VALUES('example','bac-giang',1619802000000000,1622480400000000,1619708400000000,4,6,'sha256:ca64fe09fbc4e3bab286b02b35e2b771edd674f9ca8b27f9dc8a7aba0f0031e4',X'789CAB56CAC92C2EC9CC4B57B2522ACE48343235B33232B5304831B0484A31324A4A31304D35344A4C4A494A4C36324D344A494CB43435B3484932364D32B43030B034494936364C31344B34324CB2483634484C3353AAE562F0505FCBC800041BAE6CB667C00232D6B2D96113870266343E00555A1D9D','hmac-sha256:367f63b227e369b0:e287197fbb23808cf93bfa0004616d4300879922704bfc7a0d1c9a5f2904cbb5');
INSERT INTO "provisioner_month_sums" VALUES('example','hai-duong',1619802000000000,1622480400000000,1619708400000000,4,6,'sha256:08a67b4d42d741588ac40aea09030fdd2586552b740b8fecfd848847e5f81c4a',X'789C85C6C10D80200C0040DF8ED1092AD096F871965A40498C1FFD197732711507D20DBCD71DB0D46DAFEB043D6CB33AE23E8C98388820AA27138B85A351B4A22950CE3177AE73628AC5D807322576842C22A3FF8A70B6CDF5DC43F3EF055E261A39','hmac-sha256:367f63b227e369b0:69824656d3eb843439aa0570a567fca02cd6ef6970dedf8b86b513a9a5d7eaea');
INSERT INTO "provisioner_month_sums" VALUES('example','bac-giang',1617210000000000,1619802000000000,1617116400000000,3,3,'sha256:b6f2ebb604bb7d122579d8c54f37e2a1598de434b860358252c80782ad1f4c73',X'789CA5C5B90D80300C00402A0AC6C804B6832393825DEC984F4234D0214662476898806BEE0CEBB21FCB36851CF659895326167010732273E00149CD4D0BB192AB769CC42DB2A10074AD97888E49094D0A828E295C4D35DF755FBDBE7F7A00DC451B60','hmac-sha256:367f63b227e369b0:1d64a6be408e94fff2cfbbcc6984cee806ea3891dedd2dace4c1427cba85a5f6');
INSERT INTO "provisioner_month_sums" VALUES('example','hai-duong',1617210000000000,1619802000000000,1617116400000000,3,3,'sha256:22ef1efa6045cafead956cdcb7a49d5e6031433257879a60c2b3755b9ed87cc9',X'789C85C6B11180200C00402B0BC760820824E12CDC250410EE3C1BEC3C477247DDC0AFFE327BEB673B36B3985EC5222D3E4222CF0C200E9535140A8A418B248F39873CDBD9B20A1425E75105C922103347F715CC3D0DF519D7E1DF0B343F191C','hmac-sha256:367f63b227e369b0:067e6925a1859828d1e54450f0870b3f95c1103f94462cab6edd4c1e250c46a5');
CREATE TABLE provisioner_notices (
	inventory VARCHAR(63) NOT NULL, 
	receiver VARCHAR(63) NOT NULL, 
	at BIGINT NOT NULL, 
	packed BLOB NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (inventory, receiver)
);
CREATE TABLE provisioner_path_lists (
	inventory VARCHAR(63) NOT NULL, 
	digest VARCHAR(71) NOT NULL, 
	packed BLOB NOT NULL, 
	PRIMARY KEY (inventory, digest)
);
INSERT INTO "provisioner_path_lists" VALUES('example','sha256:2580d08bd22bd05e12abdbac25a2daa9568db35b180094dc31d16a21b8c10af6',X'78DA4B4A4CD64DCF4CCC4BD7CF4ECED1353030D44F4ECCD50552C5A5499C6599A92525A9395C49688A8C5014E515940000274116B1');
INSERT INTO "provisioner_path_lists" VALUES('example','sha256:4b0d647700a35c7c8f68c58cfad45ee8e12127ca0fc6345ca562506777b35620',X'78DACB48CCD44D29CDCF4BD7CF4ECED1353030D64F4ECCD53530D42F2E4DE22CCB4C2D2949CD0100DDD20C13');
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
INSERT INTO "provisioner_seals" VALUES('example',1,'hmac-sha256:367f63b227e369b0:82e01e6763bf18d0bbb60a61f38e6ddeb5d07d5a360670b9fe053eea5b16e6ee','');
INSERT INTO "provisioner_seals" VALUES('example',2,'hmac-sha256:367f63b227e369b0:994e76f9f694eac0c4faf671d7cce2a5efe02b0a6e3dabfe83b1ed141c0625fc','');
INSERT INTO "provisioner_seals" VALUES('example',3,'hmac-sha256:367f63b227e369b0:5f9d70a94c6ea4a8c0435885f5efcdb70d98cd98563aba9f16185869fa67a2d5','');
INSERT INTO "provisioner_seals" VALUES('example',4,'hmac-sha256:367f63b227e369b0:bd9f05fd662938130362b8565041954096d4f832fd8d63e2df3e4a480f5ac2ba','');
INSERT INTO "provisioner_seals" VALUES('example',5,'hmac-sha256:367f63b227e369b0:61795d8b89cfa7ad096982377e0e827c77c342b52e0e192388c7fb9870330dbd','');
INSERT INTO "provisioner_seals" VALUES('example',6,'hmac-sha256:367f63b227e369b0:bbc3c801538e0fdf4619c8289e30bd56cc04c038b90da7e9546e69e8df0dd0eb','');
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
INSERT INTO "provisioner_verdicts" VALUES('example','bac-giang',1617217200000000,1,'run-1','sha256:2580d08bd22bd05e12abdbac25a2daa9568db35b180094dc31d16a21b8c10af6',X'78DA2B280000015200E1',X'78DA8B56528AE562600000058C0107','hmac-sha256:367f63b227e369b0:f73b6a16db8033d1ba35740ec947509ae748023230f0f3839a2b391e4f15afae');
INSERT INTO "provisioner_verdicts" VALUES('example','hai-duong',1617217200000000,1,'run-1','sha256:4b0d647700a35c7c8f68c58cfad45ee8e12127ca0fc6345ca562506777b35620',X'78DA2B000000710071',X'78DA8B56528AE562000004850107','hmac-sha256:367f63b227e369b0:7a4e619aa24456d6493b78580898863a8192102cd0954be92fb3a86b0041ba39');
INSERT INTO "provisioner_verdicts" VALUES('example','bac-giang',1618426800000000,2,'run-2','sha256:2580d08bd22bd05e12abdbac25a2daa9568db35b180094dc31d16a21b8c10af6',X'78DA2B280000015200E1',X'78DA8B56528AE562600000058C0107','hmac-sha256:367f63b227e369b0:248cba2d6cf73468c35c6d23eb705ab0c4fd067946d878c10161183d6d4d3557');
INSERT INTO "provisioner_verdicts" VALUES('example','hai-duong',1618426800000000,2,'run-2','sha256:4b0d647700a35c7c8f68c58cfad45ee8e12127ca0fc6345ca562506777b35620',X'78DA2B000000710071',X'78DA8B56528AE562000004850107','hmac-sha256:367f63b227e369b0:a22575fd428a3491b56d001311180f91c5cf0c30cb64d106a35e27fc2c614a89');
INSERT INTO "provisioner_verdicts" VALUES('example','bac-giang',1619722800000000,3,'run-3','sha256:2580d08bd22bd05e12abdbac25a2daa9568db35b180094dc31d16a21b8c10af6',X'78DA2B280000015200E1',X'78DA8B56528AE562600000058C0107','hmac-sha256:367f63b227e369b0:bda121a45a6a9301fdcfb511918a3cbdab5572d4846225d1349e9885702246b2');
INSERT INTO "provisioner_verdicts" VALUES('example','hai-duong',1619722800000000,3,'run-3','sha256:4b0d647700a35c7c8f68c58cfad45ee8e12127ca0fc6345ca562506777b35620',X'78DA2B000000710071',X'78DA8B56528AE562000004850107','hmac-sha256:367f63b227e369b0:3b108fa2ef7f007a0536695c4d5128e270a4833bfb2068796d54068a5aea962b');
INSERT INTO "provisioner_verdicts" VALUES('example','bac-giang',1619809200000000,4,'run-4','sha256:2580d08bd22bd05e12abdbac25a2daa9568db35b180094dc31d16a21b8c10af6',X'78DA532A000000B60093',X'78DA8B5652D2514A4ECC4D2D4A5428CD2BC8294D4F4F4D518AE5626400006DC207CC','hmac-sha256:367f63b227e369b0:8a6af3daf15a5711c3f138af13bd97ccf51f1bdbddd6d85c6b40dd52b694cff3');
INSERT INTO "provisioner_verdicts" VALUES('example','hai-duong',1619809200000000,4,'run-4','sha256:4b0d647700a35c7c8f68c58cfad45ee8e12127ca0fc6345ca562506777b35620',X'78DA2B000000710071',X'78DA8B56528AE562000004850107','hmac-sha256:367f63b227e369b0:d6c385c8a79e5d5dbd86097301318f6fe0b4e931b228e10de7304600d5019037');
INSERT INTO "provisioner_verdicts" VALUES('example','bac-giang',1621105200000000,5,'run-5','sha256:2580d08bd22bd05e12abdbac25a2daa9568db35b180094dc31d16a21b8c10af6',X'78DA532A000000B60093',X'78DA8B5652D2514A4ECC4D2D4A5428CD2BC8294D4F4F4D518AE5626400006DC207CC','hmac-sha256:367f63b227e369b0:01286f0dcb438426fceb8305ef15f96b53a5d8049accd7a14351c136d2c9d2f5');
INSERT INTO "provisioner_verdicts" VALUES('example','hai-duong',1621105200000000,5,'run-5','sha256:4b0d647700a35c7c8f68c58cfad45ee8e12127ca0fc6345ca562506777b35620',X'78DA2B000000710071',X'78DA8B56528AE562000004850107','hmac-sha256:367f63b227e369b0:79d0f570fec27834be67e9f6057b0eb63dbbac19585616966fa11b6dbb43e063');
INSERT INTO "provisioner_verdicts" VALUES('example','bac-giang',1622401200000000,6,'run-6','sha256:2580d08bd22bd05e12abdbac25a2daa9568db35b180094dc31d16a21b8c10af6',X'78DA532A000000B60093',X'78DA8B5652D2514A4ECC4D2D4A5428CD2BC8294D4F4F4D518AE5626400006DC207CC','hmac-sha256:367f63b227e369b0:9af7c7946fd09f5c12373e0bcaacaf17531b6df81be6f947dd8faaada004601f');
INSERT INTO "provisioner_verdicts" VALUES('example','hai-duong',1622401200000000,6,'run-6','sha256:4b0d647700a35c7c8f68c58cfad45ee8e12127ca0fc6345ca562506777b35620',X'78DA2B000000710071',X'78DA8B56528AE562000004850107','hmac-sha256:367f63b227e369b0:0aaaaa5d89c1443fe7425bbbf3fad53441178d6db0780f887bc1f3c8280477aa');
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
