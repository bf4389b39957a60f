SELECT * FROM macaddr8_data ORDER BY 1;

SELECT a, b, trunc(b) FROM macaddr8_data ORDER BY 2, 1;

SELECT b <  '08:00:2b:01:02:04' FROM macaddr8_data WHERE a = 1;

SELECT b >  '08:00:2b:ff:fe:01:02:04' FROM macaddr8_data WHERE a = 1;

SELECT b >  '08:00:2b:ff:fe:01:02:03' FROM macaddr8_data WHERE a = 1;

SELECT b::macaddr <= '08:00:2b:01:02:04' FROM macaddr8_data WHERE a = 1;

SELECT b::macaddr >= '08:00:2b:01:02:04' FROM macaddr8_data WHERE a = 1;

SELECT b =  '08:00:2b:ff:fe:01:02:03' FROM macaddr8_data WHERE a = 1;

SELECT b::macaddr <> '08:00:2b:01:02:04'::macaddr FROM macaddr8_data WHERE a = 1;

SELECT b::macaddr <> '08:00:2b:01:02:03'::macaddr FROM macaddr8_data WHERE a = 1;

SELECT b <  '08:00:2b:01:02:03:04:06' FROM macaddr8_data WHERE a = 15;

SELECT b >  '08:00:2b:01:02:03:04:06' FROM macaddr8_data WHERE a = 15;

SELECT b >  '08:00:2b:01:02:03:04:05' FROM macaddr8_data WHERE a = 15;

SELECT b <= '08:00:2b:01:02:03:04:06' FROM macaddr8_data WHERE a = 15;

SELECT b >= '08:00:2b:01:02:03:04:06' FROM macaddr8_data WHERE a = 15;

SELECT b =  '08:00:2b:01:02:03:04:05' FROM macaddr8_data WHERE a = 15;

SELECT b <> '08:00:2b:01:02:03:04:06' FROM macaddr8_data WHERE a = 15;

SELECT b <> '08:00:2b:01:02:03:04:05' FROM macaddr8_data WHERE a = 15;

SELECT ~b                       FROM macaddr8_data;

SELECT  b & '00:00:00:ff:ff:ff' FROM macaddr8_data;

SELECT  b | '01:02:03:04:05:06' FROM macaddr8_data;
