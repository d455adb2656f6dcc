export default function Page() {
  return <h1>A front end</h1>;
}
