// s3rver on a free port of 127.0.0.1, with the bucket "bucket" in the folder of the first argument. Prints the
// port; ends when standard input does, so that it never outlives the test that started it.
const S3rver = require("s3rver");

const options = {
  address: "127.0.0.1",
  port: 0,
  silent: true,
  vhostBuckets: false,
  directory: process.argv[2],
  configureBuckets: [{ name: "bucket" }],
};
new S3rver(options).run().then(({ port }) => console.log(port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
