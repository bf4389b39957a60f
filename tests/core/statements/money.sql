SELECT * FROM money_data;

SELECT m + '123' FROM money_data;

SELECT m + '123.45' FROM money_data;

SELECT m - '123.45' FROM money_data;

SELECT m / '2'::money FROM money_data;

SELECT m * 2 FROM money_data;

SELECT 2 * m FROM money_data;

SELECT m / 2 FROM money_data;

SELECT m * 2::int2 FROM money_data;

SELECT 2::int2 * m FROM money_data;

SELECT m / 2::int2 FROM money_data;

SELECT m * 2::int8 FROM money_data;

SELECT 2::int8 * m FROM money_data;

SELECT m / 2::int8 FROM money_data;

SELECT m * 2::float8 FROM money_data;

SELECT 2::float8 * m FROM money_data;

SELECT m / 2::float8 FROM money_data;

SELECT m * 2::float4 FROM money_data;

SELECT 2::float4 * m FROM money_data;

SELECT m / 2::float4 FROM money_data;

SELECT m = '$123.00' FROM money_data;

SELECT m != '$124.00' FROM money_data;

SELECT m <= '$123.00' FROM money_data;

SELECT m >= '$123.00' FROM money_data;

SELECT m < '$124.00' FROM money_data;

SELECT m > '$122.00' FROM money_data;

SELECT m = '$123.01' FROM money_data;

SELECT m != '$123.00' FROM money_data;

SELECT m <= '$122.99' FROM money_data;

SELECT m >= '$123.01' FROM money_data;

SELECT m > '$124.00' FROM money_data;

SELECT m < '$122.00' FROM money_data;

SELECT cashlarger(m, '$124.00') FROM money_data;

SELECT cashsmaller(m, '$124.00') FROM money_data;

SELECT cash_words(m) FROM money_data;

SELECT cash_words(m + '1.23') FROM money_data;

SELECT * FROM money_data;

SELECT * FROM money_data;

SELECT * FROM money_data;

SELECT * FROM money_data;

SELECT * FROM money_data;

SELECT * FROM money_data;
