export default function Page(): string {
  return 'This is where your application goes.';
}
