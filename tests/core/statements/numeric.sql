BEGIN TRANSACTION;

COMMIT TRANSACTION;

BEGIN TRANSACTION;

COMMIT TRANSACTION;

BEGIN TRANSACTION;

COMMIT TRANSACTION;

BEGIN TRANSACTION;

COMMIT TRANSACTION;

BEGIN TRANSACTION;

COMMIT TRANSACTION;

BEGIN TRANSACTION;

COMMIT TRANSACTION;

SELECT t1.id1, t1.id2, t1.result, t2.expected
    FROM num_result t1, num_exp_add t2
    WHERE t1.id1 = t2.id1 AND t1.id2 = t2.id2
    AND t1.result != t2.expected;

SELECT t1.id1, t1.id2, t1.result, round(t2.expected, 10) as expected
    FROM num_result t1, num_exp_add t2
    WHERE t1.id1 = t2.id1 AND t1.id2 = t2.id2
    AND t1.result != round(t2.expected, 10);

SELECT t1.id1, t1.id2, t1.result, t2.expected
    FROM num_result t1, num_exp_sub t2
    WHERE t1.id1 = t2.id1 AND t1.id2 = t2.id2
    AND t1.result != t2.expected;

SELECT t1.id1, t1.id2, t1.result, round(t2.expected, 40)
    FROM num_result t1, num_exp_sub t2
    WHERE t1.id1 = t2.id1 AND t1.id2 = t2.id2
    AND t1.result != round(t2.expected, 40);

SELECT t1.id1, t1.id2, t1.result, t2.expected
    FROM num_result t1, num_exp_mul t2
    WHERE t1.id1 = t2.id1 AND t1.id2 = t2.id2
    AND t1.result != t2.expected;

SELECT t1.id1, t1.id2, t1.result, round(t2.expected, 30) as expected
    FROM num_result t1, num_exp_mul t2
    WHERE t1.id1 = t2.id1 AND t1.id2 = t2.id2
    AND t1.result != round(t2.expected, 30);

SELECT t1.id1, t1.id2, t1.result, t2.expected
    FROM num_result t1, num_exp_div t2
    WHERE t1.id1 = t2.id1 AND t1.id2 = t2.id2
    AND t1.result != t2.expected;

SELECT t1.id1, t1.id2, t1.result, round(t2.expected, 80) as expected
    FROM num_result t1, num_exp_div t2
    WHERE t1.id1 = t2.id1 AND t1.id2 = t2.id2
    AND t1.result != round(t2.expected, 80);

SELECT t1.id1, t1.result, t2.expected
    FROM num_result t1, num_exp_sqrt t2
    WHERE t1.id1 = t2.id
    AND t1.result != t2.expected;

SELECT t1.id1, t1.result, t2.expected
    FROM num_result t1, num_exp_ln t2
    WHERE t1.id1 = t2.id
    AND t1.result != t2.expected;

SELECT t1.id1, t1.result, t2.expected
    FROM num_result t1, num_exp_log10 t2
    WHERE t1.id1 = t2.id
    AND t1.result != t2.expected;

SELECT t1.id1, t1.result, t2.expected
    FROM num_result t1, num_exp_power_10_ln t2
    WHERE t1.id1 = t2.id
    AND t1.result != t2.expected;

SELECT AVG(val) FROM num_data;

SELECT MAX(val) FROM num_data;

SELECT MIN(val) FROM num_data;

SELECT STDDEV(val) FROM num_data;

SELECT VARIANCE(val) FROM num_data;

SELECT * FROM fract_only;

SELECT a, ceil(a), ceiling(a), floor(a), round(a) FROM ceil_floor_round;

SELECT
    operand_num,
    width_bucket(operand_num, 0, 10, 5) AS wb_1,
    width_bucket(operand_f8, 0, 10, 5) AS wb_1f,
    width_bucket(operand_num, 10, 0, 5) AS wb_2,
    width_bucket(operand_f8, 10, 0, 5) AS wb_2f,
    width_bucket(operand_num, 2, 8, 4) AS wb_3,
    width_bucket(operand_f8, 2, 8, 4) AS wb_3f,
    width_bucket(operand_num, 5.0, 5.5, 20) AS wb_4,
    width_bucket(operand_f8, 5.0, 5.5, 20) AS wb_4f,
    width_bucket(operand_num, -25, 25, 10) AS wb_5,
    width_bucket(operand_f8, -25, 25, 10) AS wb_5f
    FROM width_bucket_test;

SELECT to_char(val, '9G999G999G999G999G999')
	FROM num_data;

SELECT to_char(val, '9G999G999G999G999G999D999G999G999G999G999')
	FROM num_data;

SELECT to_char(val, '9999999999999999.999999999999999PR')
	FROM num_data;

SELECT to_char(val, '9999999999999999.999999999999999S')
	FROM num_data;

SELECT to_char(val, 'MI9999999999999999.999999999999999')     FROM num_data;

SELECT to_char(val, 'FMS9999999999999999.999999999999999')    FROM num_data;

SELECT to_char(val, 'FM9999999999999999.999999999999999THPR') FROM num_data;

SELECT to_char(val, 'SG9999999999999999.999999999999999th')   FROM num_data;

SELECT to_char(val, '0999999999999999.999999999999999')       FROM num_data;

SELECT to_char(val, 'S0999999999999999.999999999999999')      FROM num_data;

SELECT to_char(val, 'FM0999999999999999.999999999999999')     FROM num_data;

SELECT to_char(val, 'FM9999999999999999.099999999999999') 	FROM num_data;

SELECT to_char(val, 'FM9999999999990999.990999999999999') 	FROM num_data;

SELECT to_char(val, 'FM0999999999999999.999909999999999') 	FROM num_data;

SELECT to_char(val, 'FM9999999990999999.099999999999999') 	FROM num_data;

SELECT to_char(val, 'L9999999999999999.099999999999999')	FROM num_data;

SELECT to_char(val, 'FM9999999999999999.99999999999999')	FROM num_data;

SELECT to_char(val, 'S 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 . 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9') FROM num_data;

SELECT to_char(val, 'FMS 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 . 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9') FROM num_data;

SELECT to_char(val, E'99999 "text" 9999 "9999" 999 "\\"text between quote marks\\"" 9999') FROM num_data;

SELECT to_char(val, '999999SG9999999999')			FROM num_data;

SELECT to_char(val, 'FM9999999999999999.999999999999999')	FROM num_data;

SELECT to_char(val, '9.999EEEE')				FROM num_data;

SET lc_numeric = 'C';

RESET lc_numeric;

SELECT * FROM num_input_test;

SELECT scale(millions), * FROM num_typemod_test ORDER BY millions;

BEGIN;

SET LOCAL parallel_setup_cost = 0;

SET LOCAL max_parallel_workers_per_gather = 4;

ROLLBACK;

BEGIN;

SET LOCAL parallel_setup_cost = 0;

SET LOCAL max_parallel_workers_per_gather = 4;

ROLLBACK;
