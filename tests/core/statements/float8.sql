SELECT * FROM FLOAT8_TBL;

SELECT f.* FROM FLOAT8_TBL f WHERE f.f1 <> '1004.3';

SELECT f.* FROM FLOAT8_TBL f WHERE f.f1 = '1004.3';

SELECT f.* FROM FLOAT8_TBL f WHERE '1004.3' > f.f1;

SELECT f.* FROM FLOAT8_TBL f WHERE  f.f1 < '1004.3';

SELECT f.* FROM FLOAT8_TBL f WHERE '1004.3' >= f.f1;

SELECT f.* FROM FLOAT8_TBL f WHERE  f.f1 <= '1004.3';

SELECT f.f1, f.f1 * '-10' AS x
   FROM FLOAT8_TBL f
   WHERE f.f1 > '0.0';

SELECT f.f1, f.f1 + '-10' AS x
   FROM FLOAT8_TBL f
   WHERE f.f1 > '0.0';

SELECT f.f1, f.f1 / '-10' AS x
   FROM FLOAT8_TBL f
   WHERE f.f1 > '0.0';

SELECT f.f1, f.f1 - '-10' AS x
   FROM FLOAT8_TBL f
   WHERE f.f1 > '0.0';

SELECT f.f1 ^ '2.0' AS square_f1
   FROM FLOAT8_TBL f where f.f1 = '1004.3';

SELECT f.f1, @f.f1 AS abs_f1
   FROM FLOAT8_TBL f;

SELECT f.f1, trunc(f.f1) AS trunc_f1
   FROM FLOAT8_TBL f;

SELECT f.f1, round(f.f1) AS round_f1
   FROM FLOAT8_TBL f;

select ceil(f1) as ceil_f1 from float8_tbl f;

select ceiling(f1) as ceiling_f1 from float8_tbl f;

select floor(f1) as floor_f1 from float8_tbl f;

select sign(f1) as sign_f1 from float8_tbl f;

SET extra_float_digits = 0;

SELECT f.f1, |/f.f1 AS sqrt_f1
   FROM FLOAT8_TBL f
   WHERE f.f1 > '0.0';

SELECT f.f1, exp(ln(f.f1)) AS exp_ln_f1
   FROM FLOAT8_TBL f
   WHERE f.f1 > '0.0';

SELECT f.f1, ||/f.f1 AS cbrt_f1 FROM FLOAT8_TBL f;

SELECT * FROM FLOAT8_TBL;

SELECT f.f1 * '1e200' from FLOAT8_TBL f;

SELECT f.f1 ^ '1e200' from FLOAT8_TBL f;

SELECT ln(f.f1) from FLOAT8_TBL f where f.f1 = '0.0';

SELECT ln(f.f1) from FLOAT8_TBL f where f.f1 < '0.0';

SELECT exp(f.f1) from FLOAT8_TBL f;

SELECT f.f1 / '0.0' from FLOAT8_TBL f;

SELECT * FROM FLOAT8_TBL;

RESET extra_float_digits;

SELECT * FROM FLOAT8_TBL;
